import { setTimeout as delay } from 'node:timers/promises'
import { cpuMs, rssMb } from '../support/process-memory.ts'
import { guest, type OpenSandbox, openSandbox } from '../support/sandbox-scene.ts'
import type { Bench, Figure } from './bench.ts'
import { quantile } from './quantile.ts'

const mebibyte = 1024 * 1024
const generous = { wall_ms: 10_000, cpu_ms: 5_000, memory_bytes: 64 * mebibyte }
/** About 1 KB, there and back. */
const input = { text: 'x'.repeat(1_000) }
const callers = 4
const idlePlugins = 8
const warmUpCalls = 200
const coldCalls = 30

const plain = guest('return { text: input.text, length: input.text.length }')
const withSchemas = `import { definePlugin, tool, z } from '@keel/sdk'
export default definePlugin({
  tools: {
    run: tool({
      input: z.object({ text: z.string().max(2000) }),
      output: z.object({ text: z.string(), length: z.number().int() }),
      run: ({ input }) => ({ text: input.text, length: input.text.length }),
    }),
  },
})`

/** Each as hostile as plugins get: none stays within its limits. */
const hostile = {
  'fills lists': guest('const all = []; for (;;) all.push(new Array(1000).fill(1))'),
  'fills a map': guest('const all = new Map(); for (let at = 0; ; at++) all.set(at, { at })'),
  'fills one list': guest('return new Array(1e9).fill(0).length'),
  'squares a number': guest('let big = 3n; for (;;) big *= big'),
  spins: guest('for (;;) {}'),
}

export const sandbox: Bench = {
  about: "a plugin's tool run in a fresh context, 1 KB each way, from the kernel's process and back",
  async run({ quick, say }) {
    const calls = quick ? 500 : 3_000
    say('memory of idle plugins')
    const figures = [await memoryOfOne()]
    const scene = openSandbox({ plugins: { plain, 'with schemas': withSchemas, ...hostile } })
    try {
      for (const plugin of ['plain', 'with schemas']) {
        say(`${plugin}: one at a time, ${callers} at a time, cold`)
        figures.push(...(await speedOf(scene, plugin, calls)))
      }
      say('hostile plugins')
      figures.push(...(await underAttack(scene)))
      return figures
    } finally {
      await scene.close()
    }
  },
}

async function speedOf(scene: OpenSandbox, plugin: string, calls: number): Promise<Figure[]> {
  const run = (digest = plugin) => scene.run(plugin, { digest, input, limits: generous })
  for (let n = 0; n < warmUpCalls; n++) await run()
  const alone = await timesOf(calls, () => run())
  // With a pause between two calls the next context is ready when a call comes.
  const paced = await timesOf(
    calls / 10,
    () => run(),
    () => delay(10),
  )
  const together = await manyAtOnce(scene, calls, () => run())
  const cold = await timesOf(
    coldCalls,
    (n) => run(`${plugin} ${n}`),
    (n) => scene.sandbox.forget({ digest: `${plugin} ${n}` }),
  )
  return [
    { what: `${plugin}: a call now and then`, value: quantile(paced, 0.5), unit: 'ms p50', goal: { atMost: 1 } },
    { what: `${plugin}: one at a time`, value: quantile(alone, 0.5), unit: 'ms p50' },
    { what: `${plugin}: one at a time`, value: quantile(alone, 0.99), unit: 'ms p99' },
    {
      what: `${plugin}: ${callers} at a time`,
      value: together.perSecond,
      unit: 'per second',
      goal: { atLeast: 1_500 },
      gross: { atLeast: 50 },
    },
    { what: `${plugin}: a call takes of the sandbox`, value: together.sandboxMs, unit: 'ms CPU' },
    { what: `${plugin}: … and of the kernel`, value: together.kernelMs, unit: 'ms CPU' },
    { what: `${plugin}: its first call`, value: quantile(cold, 0.5), unit: 'ms p50', goal: { atMost: 10 } },
  ]
}

/** How long each of so many calls took, one after the other. */
async function timesOf(
  calls: number,
  call: (n: number) => Promise<unknown>,
  between?: (n: number) => Promise<unknown>,
): Promise<number[]> {
  const times: number[] = []
  for (let n = 0; n < calls; n++) {
    const askedAt = performance.now()
    await call(n)
    times.push(performance.now() - askedAt)
    await between?.(n)
  }
  return times
}

/** What comes of several callers, and what a call takes of either process, in milliseconds. */
async function manyAtOnce(scene: OpenSandbox, calls: number, call: () => Promise<unknown>) {
  const kernelBefore = process.cpuUsage()
  const sandboxBefore = cpuMs(pidOf(scene))
  const startedAt = performance.now()
  let left = calls
  const caller = async () => {
    while (left-- > 0) await call()
  }
  await Promise.all(Array.from({ length: callers }, caller))
  const { user, system } = process.cpuUsage(kernelBefore)
  return {
    perSecond: (calls * 1_000) / (performance.now() - startedAt),
    kernelMs: (user + system) / 1_000 / calls,
    sandboxMs: (cpuMs(pidOf(scene)) - sandboxBefore) / calls,
  }
}

/** In a process that does nothing else: one under load has let go of idle isolates. */
async function memoryOfOne(): Promise<Figure> {
  const scene = openSandbox({ plugins: { 'with schemas': withSchemas } })
  const callOf = (digest: string) => scene.run('with schemas', { digest, input, limits: generous })
  try {
    await callOf('the first, with what all have in common')
    await delay(200)
    const before = rssMb(pidOf(scene))
    for (let n = 0; n < idlePlugins; n++) await callOf(`idle ${n}`)
    await delay(200)
    const value = (rssMb(pidOf(scene)) - before) / idlePlugins
    return { what: 'an idle plugin with schemas', value, unit: 'MB', goal: { atMost: 12 } }
  } finally {
    await scene.close()
  }
}

async function underAttack(scene: OpenSandbox): Promise<Figure[]> {
  const base = rssMb(pidOf(scene))
  let peak = 0
  let worstMs = 0
  let unserved = 0
  const watch = setInterval(() => {
    const { pid } = scene.status()
    try {
      if (pid) peak = Math.max(peak, rssMb(pid))
    } catch {
      // It has just ended.
    }
  }, 5)
  const limits = { wall_ms: 1_000, cpu_ms: 500, memory_bytes: 32 * mebibyte }
  for (const plugin of Object.keys(hostile)) {
    const startedAt = performance.now()
    const { pid } = scene.status()
    const attack = scene.call(plugin, { limits }).then((answer) => {
      // Where the process ends with it, the call is run again in the next.
      if (scene.status().pid === pid) worstMs = Math.max(worstMs, performance.now() - startedAt - limits.wall_ms)
      return answer
    })
    const [answer, beside] = await Promise.all([attack, scene.call('plain', { input, limits: generous })])
    if (answer.status === 'success' || beside.status !== 'success') unserved++
  }
  clearInterval(watch)
  return [
    {
      what: 'hostile plugins: not contained, or a neighbour not served',
      value: unserved,
      unit: 'count',
      goal: { atMost: 0 },
      gross: { atMost: 0 },
    },
    {
      what: 'hostile plugins that leave their process alone: ended after their limit by at most',
      value: Math.max(0, worstMs),
      unit: 'ms',
      goal: { atMost: 500 },
    },
    { what: 'hostile plugins: more memory at the peak', value: peak - base, unit: 'MB', goal: { atMost: 350 } },
  ]
}

function pidOf(scene: OpenSandbox): number {
  const { pid } = scene.status()
  if (!pid) throw new Error('The sandbox has no process')
  return pid
}
