import { afterAll, beforeAll, expect, test } from 'vitest'
import { attacks, limitsOf, unfitting } from '../support/sandbox-attacks.ts'
import { guest, type OpenSandbox, openSandbox } from '../support/sandbox-scene.ts'

/** What a start of the process takes on a machine that is busy; how fast it comes back is another test's subject. */
const startMs = 10_000

let scene: OpenSandbox

beforeAll(async () => {
  scene = openSandbox({
    plugins: { bystander: guest(`return "served " + input.n`) },
    spec: { queue: { max: 256, waitMs: 3 * startMs } },
  })
  for (const { name, body, before } of attacks) scene.plugins[name] = guest(body, before)
  await scene.call('bystander', { input: { n: 0 } })
}, 20_000)

afterAll(() => scene.close())

/** Somebody honest, with all the time that a busy machine takes. */
const serve = (n: number) => scene.call('bystander', { input: { n }, limits: { cpu_ms: 2_000, wall_ms: 10_000 } })

test.each(attacks)(
  '$name',
  async (attack) => {
    const { name, host = [] } = attack
    const limits = limitsOf(attack)
    const began = performance.now()
    const [answer, ...beside] = await Promise.all([scene.call(name, { host, limits }), ...[1, 2, 3, 4].map(serve)])
    const took = performance.now() - began
    expect(unfitting(attack, answer)).toBeUndefined()
    // Three ends of the process at most, each within its limit, and as many starts.
    expect(took).toBeLessThan((limits.wall_ms + startMs) * (answer.metadata?.process_ended ? 3 : 1))
    expect(beside.map(({ output }) => output)).toEqual([1, 2, 3, 4].map((n) => `served ${n}`))
    expect(await serve(5)).toMatchObject({ output: 'served 5' })
  },
  60_000,
)
