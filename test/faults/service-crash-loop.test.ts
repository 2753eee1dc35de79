import { afterAll, beforeAll, expect, test } from 'vitest'
import { goodAnswer, helpfulModel } from '../support/callers.ts'
import { keel as runKeel } from '../support/cli-run.ts'
import { type Daemon, eventually, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { copyInstall, type InstallCopy } from '../support/install-copy.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

let install: InstallCopy
let keel: Daemon
let upstream: Upstream

beforeAll(async () => {
  install = copyInstall()
  upstream = await startUpstream(helpfulModel)
  const config = upstreamConfig(upstream.url, '[cache]\nenabled = false\n')
  keel = await startDaemon({ install: install.root, config })
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  await upstream.close()
  install.remove()
})

const ask = (content: string) => keel.client.agent.sendMessage({ body: { content } })
const outcomes = ({ tool_calls }: { tool_calls: { status: string }[] }) => tool_calls.map(({ status }) => status)
const listed = () => runKeel(['service', 'list'], { env: { KEEL_URL: keel.url, KEEL_API_KEY: keel.apiKey } })

test('a service that crashes at each start: given up, said everywhere, nobody else’s trouble, and mended', async () => {
  // Steady.
  expect(outcomes(await ask('use a tool'))).toEqual(['success'])
  const { services } = await keel.client.services.listServices()
  // Broken: the process of the moment dies, and none after it gets to work.
  install.breakService('tools')
  process.kill(services.find(({ name }) => name === 'tools')?.pid ?? 0, 'SIGKILL')
  const health = () => keel.client.health.getHealth()
  await eventually('given up', async () => (await health()).checks.services.tools === 'down', 30_000)
  expect((await health()).status).toBe('warning')
  expect((await listed()).stdout).toMatch(/^tools +down .* tools ended with code 1/m)
  const { events } = await keel.client.events.listEvents({ query: { types: 'service_state_changed' } })
  expect(events.filter((event) => JSON.stringify(event).includes('"down"'))).toHaveLength(1)
  const answer = await ask('use a tool')
  expect(outcomes(answer)).toEqual(['error'])
  expect(answer.content).toBe(goodAnswer)
  expect((await ask('without one')).content).toBe(goodAnswer)
  // Recovered.
  install.mendService('tools')
  await keel.client.services.restartService({ params: { name: 'tools' } })
  expect(outcomes(await ask('use a tool'))).toEqual(['success'])
  expect((await health()).status).toBe('ok')
  expect((await listed()).stdout).toMatch(/^tools +ready /m)
}, 60_000)
