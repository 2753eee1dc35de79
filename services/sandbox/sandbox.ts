import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import { RuntimeError } from '#sdk/errors.ts'
import type { ServiceSetup } from '#sdk/rpc/run-service.ts'
import type { CallContext, Client } from '#sdk/service.ts'
import type { kernelForSandbox } from '#sdk/services/kernel.ts'
import type { GuestAnswer, GuestCall, GuestProgress, sandboxService } from '#sdk/services/sandbox.ts'
import { answerOf } from './answers.ts'
import type { Cell } from './cell.ts'
import { Cells } from './cells.ts'
import { describeIn } from './describe.ts'
import { GuestRun } from './guest-run.ts'
import { endAtOnce } from './seal-process.ts'

const mebibyte = 1024 * 1024
/** More calls than this at a time are refused: the kernel keeps within it. */
const maxCalls = 32
const describeMemoryBytes = 64 * mebibyte
/** What the calls of others may still take once the process has to end, in milliseconds. */
const lastMomentMs = 150

type RunContext = CallContext<typeof sandboxService.methods.run>

/** Builds the service. It keeps no settings: what it needs to know comes with each call. */
export function createSandbox(
  kernel: Client<typeof kernelForSandbox>,
  log: Logger,
): ServiceSetup<typeof sandboxService> {
  let calls = 0
  let isEnding = false

  /** The one whose call it was has its answer by then, and with it the kernel knows who it was. */
  async function endProcess(cell: Cell, message: string) {
    if (isEnding) return
    isEnding = true
    log.fatal({ plugin: cell.plugin, digest: cell.digest }, `the process has to end: ${message}`)
    await delay(lastMomentMs)
    endAtOnce()
  }

  const cells = new Cells((plugin) => kernel.loadPlugin(plugin), {
    onHopeless: (cell, message) => void endProcess(cell, message),
  })

  async function counted<T>(work: () => Promise<T>): Promise<T> {
    // It fails with the process, unstarted, and its caller sends it to the next one.
    if (isEnding) await new Promise(() => {})
    if (calls >= maxCalls) throw new RuntimeError('unavailable', `${maxCalls} calls are under way in the sandbox`)
    calls++
    try {
      return await work()
    } finally {
      calls--
    }
  }

  async function run(call: GuestCall, { signal, emit }: RunContext): Promise<GuestAnswer> {
    await emit({ type: 'started' })
    const cell = await cells.take(call, call.limits.memory_bytes)
    const guest = new GuestRun(cell, call, {
      signal,
      performHost: (name, args, within) =>
        kernel.callHost({ call_id: call.call_id, name, args }, { signal: within, timeoutMs: call.limits.wall_ms }),
      onProgress: latestOnly((progress) => emit({ type: 'progress', ...progress })),
    })
    void guest.free.then(() => cells.giveBack(cell))
    return guest.answer
  }

  return {
    handlers: {
      describe: (plugin) =>
        counted(async () => {
          const cell = await cells.take(plugin, describeMemoryBytes).catch(unprocessable)
          try {
            return { tools: await describeIn(cell) }
          } finally {
            cells.giveBack(cell)
          }
        }),
      run: (call, context) => counted(() => run(call, context).catch(answerOf)),
      forget({ digest }) {
        cells.forget(digest)
        return null
      },
    },
    close: () => cells.close(),
  }
}

function unprocessable(thrown: unknown): never {
  if (thrown instanceof RuntimeError) throw thrown
  throw new RuntimeError('unprocessable', answerOf(thrown).output, undefined, { cause: thrown })
}

/** While one is on its way, the newest of those that come meanwhile waits and the others are dropped. */
function latestOnly(send: (progress: GuestProgress) => Promise<void>): (progress: GuestProgress) => void {
  let waiting: GuestProgress | undefined
  let isSending = false
  async function pump() {
    isSending = true
    for (; waiting; ) {
      const next = waiting
      waiting = undefined
      await send(next)
    }
    isSending = false
  }
  return (progress) => {
    waiting = progress
    if (!isSending) void pump().catch(() => {}) // The caller is gone, and with it who would hear of it.
  }
}
