import ivm from 'isolated-vm'
import { maxGuestJsonChars, maxGuestTools, maxProgressChars } from '#sdk/services/sandbox.ts'
import { type GuestBounds, guestRuntime } from './guest-runtime.ts'
import { zodSource } from './zod-source.ts'

/** The global under which a fresh context holds its runtime, until the guest's first module takes it away. */
export const runtimeGlobal = '__keel'

export const guestBounds: GuestBounds = {
  jsonChars: maxGuestJsonChars,
  messageChars: 2_000,
  progressChars: maxProgressChars,
  progressCount: 500,
  progressEveryMs: 50,
  timers: 1_000,
  tools: maxGuestTools,
}

/** Runs what schemas and their errors need first, so that it is in the snapshot already compiled. */
const warmUp = `
  z.config({ jitless: true })
  const sample = z.object({ text: z.string().max(9).optional(), count: z.number().int(), list: z.array(z.boolean()) })
  for (const input of [{ count: 1, list: [true] }, { text: 1 }]) {
    const parsed = sample.safeParse(input)
    if (!parsed.success) z.prettifyError(parsed.error)
  }
  z.toJSONSchema(sample, { io: 'input', unrepresentable: 'any' })
`

export type Snapshot = ReturnType<typeof ivm.Isolate.createSnapshot>

let bare: Snapshot | undefined
let withZod: Snapshot | undefined

/**
 * The state in which a guest's contexts begin: with the runtime, and with zod where the guest names it. Zod makes a
 * context several times as dear, so who does without gets one without.
 */
export function snapshotFor(usesZod: boolean): Snapshot {
  if (!usesZod) {
    bare ??= makeSnapshot('const z = undefined')
    return bare
  }
  withZod ??= makeSnapshot(`const z = ${zodSource()}\n${warmUp}`)
  return withZod
}

/** Whether a guest could ask for `z`: no text does without the word. */
export function namesZod(modules: Iterable<string>): boolean {
  for (const text of modules) if (/\bz\b/.test(text)) return true
  return false
}

function makeSnapshot(zod: string): Snapshot {
  const code = `{
    ${zod}
    Object.defineProperty(globalThis, '${runtimeGlobal}', {
      configurable: true,
      value: (${guestRuntime.toString()})(${JSON.stringify(guestBounds)}, z),
    })
  }`
  return ivm.Isolate.createSnapshot([{ code, filename: 'keel:runtime' }])
}
