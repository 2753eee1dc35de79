import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Daemon, eventually, startDaemon } from '../support/daemon.ts'

let keel: Daemon
beforeAll(async () => {
  keel = await startDaemon()
  await eventually('nothing more starts', async () =>
    (await keel.client.services.listServices()).services.every(({ state }) => state === 'ready' || state === 'stopped'),
  )
}, 30_000)
afterAll(() => keel.dispose())

const list = (query = {}) => keel.client.events.listEvents({ query })
const begin = (nickname: string) => keel.client.sessions.createSession({ body: { agent_id: nickname, nickname } })

test('events are numbered without a gap, and read in pages that join', async () => {
  const { last_seq: since } = await list({ limit: 1000 })
  for (const name of ['first', 'second', 'third']) await begin(name)
  const all = await list({ since })
  expect(all.events.map(({ nickname }) => nickname)).toEqual(['first', 'second', 'third'])
  expect(all.events.map(({ seq }) => seq)).toEqual([since + 1, since + 2, since + 3])
  expect(all).toMatchObject({ last_seq: since + 3, gap: false })
  const page = await list({ since, limit: 2 })
  expect(page.last_seq).toBe(since + 2)
  expect((await list({ since: page.last_seq })).events).toEqual(all.events.slice(2))
  expect(await list({ since: all.last_seq })).toMatchObject({ events: [], last_seq: all.last_seq, gap: false })
})

test('only the wanted ones are listed; reading goes on behind those that were left out', async () => {
  const { last_seq: since } = await list({ limit: 1000 })
  await begin('wanted')
  const { id } = await begin('and gone')
  await keel.client.sessions.deleteSession({ params: { id } })
  const { events, last_seq } = await list({ since, types: 'session_deleted,session_archived' })
  expect(events.map(({ type }) => type)).toEqual(['session_deleted'])
  expect(last_seq).toBe(since + 3)
  expect(await list({ since, types: 'no_such_event' })).toMatchObject({ events: [], last_seq: since + 3 })
})

test('numbers of another epoch are not taken for those of this one', async () => {
  const { epoch, last_seq } = await list({ limit: 1000 })
  expect(await list({ since: last_seq, epoch })).toMatchObject({ gap: false, epoch })
  expect((await list({ since: last_seq, epoch: 'another' })).gap).toBe(true)
})
