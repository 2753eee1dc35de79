import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Daemon, eventually, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { freeze } from '../support/services/supervised.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

let keel: Daemon
let upstream: Upstream

beforeEach(async () => {
  upstream = await startUpstream({ text: 'Well answered.' })
  keel = await startDaemon({ config: upstreamConfig(upstream.url, '[cache]\nenabled = false\n') })
  // A session with a name of its own: no model is asked for one in the middle of a script.
  await keel.client.sessions.createSession({ body: { nickname: 'Faults' } })
}, 30_000)

afterEach(async () => {
  await keel.dispose()
  await upstream.close()
})

const ask = (content: string) => keel.client.agent.sendMessage({ body: { content } })

async function find(name: string) {
  const { services } = await keel.client.services.listServices()
  const service = services.find((candidate) => candidate.name === name)
  if (!service) throw new Error(`There is no service ${name}`)
  return service
}

test.each([
  // Running it twice does no harm, so it is run again.
  ['list_directory', '{}', 'success'],
  // It may have taken effect: an error would say that it has not.
  ['write_file', '{"path":"note.txt","content":"milk"}', 'unknown'],
])('the agent dies while %s runs: its outcome is told as it is', async (name, input, status) => {
  // Steady, with a process of the tools service.
  const call = { toolCalls: [{ name, arguments: input }] }
  upstream.script([call, { text: 'Done.' }])
  expect((await ask('steady')).tool_calls).toMatchObject([{ tool_name: name, status: 'success' }])
  // Broken: the tool does not come to its end before the agent has died.
  upstream.script([call, { text: 'Seen.' }])
  const stopped = freeze((await find('tools')).pid)
  const waiting = ask('broken')
  await eventually('the tool is under way', async () => (await find('tools')).calls_in_flight === 1)
  process.kill((await find('agent')).pid ?? 0, 'SIGKILL')
  await eventually('another agent is at work', async () => (await find('agent')).generation === 2)
  process.kill(stopped, 'SIGCONT')
  const answer = await waiting
  expect(answer.content).toBe('Seen.')
  expect(answer.tool_calls.map((toolCall) => toolCall.status)).toEqual([status])
  // Recovered.
  upstream.script([call, { text: 'Done again.' }])
  const recovered = await ask('recovered')
  expect(recovered.tool_calls.map((toolCall) => toolCall.status)).toEqual(['success'])
})
