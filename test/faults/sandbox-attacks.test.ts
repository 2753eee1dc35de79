import { afterAll, beforeAll, expect, test } from 'vitest'
import { attacks, limitsOf, unfitting } from '../support/sandbox-attacks.ts'
import { guest, type OpenSandbox, openSandbox } from '../support/sandbox-scene.ts'

let scene: OpenSandbox

beforeAll(async () => {
  scene = openSandbox({ plugins: { bystander: guest(`return "served " + input.n`) } })
  for (const { name, body, before } of attacks) scene.plugins[name] = guest(body, before)
  await scene.call('bystander', { input: { n: 0 } })
}, 20_000)

afterAll(() => scene.close())

test.each(attacks)(
  '$name',
  async (attack) => {
    const { name, host = [] } = attack
    const limits = limitsOf(attack)
    const began = performance.now()
    const [answer, ...beside] = await Promise.all([
      scene.call(name, { host, limits }),
      ...[1, 2, 3, 4].map((n) => scene.call('bystander', { input: { n } })),
    ])
    const took = performance.now() - began
    expect(unfitting(attack, answer)).toBeUndefined()
    // Three ends of the process at most, each within its limit.
    expect(took).toBeLessThan((limits.wall_ms + 500) * (answer.metadata?.process_ended ? 3 : 1) + 2_000)
    expect(beside.map(({ output }) => output)).toEqual([1, 2, 3, 4].map((n) => `served ${n}`))
    expect(await scene.call('bystander', { input: { n: 5 } })).toMatchObject({ output: 'served 5' })
  },
  40_000,
)
