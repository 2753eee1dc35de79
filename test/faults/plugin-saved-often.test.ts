import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Daemon, eventually, startDaemon } from '../support/daemon.ts'
import { answerWhenWell } from '../support/plugin-faults.ts'
import { keelWithPlugins, neighbour, type PluginHost } from '../support/plugin-house.ts'

const saves = 40
const plugin = 'work-in-progress'

let keel: Daemon
let host: PluginHost

beforeAll(async () => {
  keel = await startDaemon()
  host = await keelWithPlugins(keel, { [plugin]: '' })
}, 60_000)

afterAll(() => keel.dispose())

async function sandboxPid(): Promise<number | null> {
  const { services } = await keel.client.services.listServices()
  return services.find(({ name }) => name === 'sandbox')?.pid ?? null
}

function save(text: string) {
  writeFileSync(join(keel.home, 'plugins', plugin, 'plugin.js'), text)
  return keel.client.plugins.reloadPlugins()
}

const saying = (text: string) =>
  `export default { tools: { work_in_progress_run: { run: () => ${JSON.stringify(text)} } } }`

test('after many saves of one plugin, whole and broken, a new process still gets the code of each', async () => {
  await save(saying('the last good one'))
  for (let n = 0; n < saves; n++) await save(`${saying('')}; throw new Error('broken ${n}')`)
  expect(await host.call(plugin, {})).toBe('the last good one')

  const before = await sandboxPid()
  if (before) process.kill(before, 'SIGKILL')
  await eventually('the process is gone', async () => (await sandboxPid()) !== before)

  expect(await host.call(neighbour, {})).toBe(answerWhenWell)
  expect(await host.call(plugin, {})).toBe('the last good one')
}, 60_000)
