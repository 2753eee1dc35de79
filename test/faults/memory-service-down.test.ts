import { afterAll, beforeAll, expect, test } from 'vitest'
import { goodAnswer, helpfulModel } from '../support/callers.ts'
import { type Daemon, eventually, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { copyInstall, type InstallCopy } from '../support/install-copy.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

let install: InstallCopy
let keel: Daemon
let upstream: Upstream

beforeAll(async () => {
  install = copyInstall()
  upstream = await startUpstream(helpfulModel)
  const config = upstreamConfig(upstream.url, '[cache]\nenabled = false\n\n[memory]\nextract_by_model = false\n')
  keel = await startDaemon({ install: install.root, config })
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  await upstream.close()
  install.remove()
})

const fact = { text: 'The lighthouse is called Fanal', category: 'place', key: 'lighthouse' }

test('down: turns are answered, lists and forgetting go on, the rest says so; and what was said is remembered when it is back', async () => {
  // Steady.
  const { memory, services, agent } = keel.client
  const kept = await memory.addMemory({ body: fact })
  expect((await memory.searchMemory({ query: { q: 'lighthouse' } })).results[0]?.id).toBe(kept.id)
  // Broken.
  install.breakService('memory')
  process.kill((await services.listServices()).services.find(({ name }) => name === 'memory')?.pid ?? 0, 'SIGKILL')
  await eventually(
    'given up',
    async () => (await keel.client.health.getHealth()).checks.services.memory === 'down',
    30_000,
  )
  const begun = performance.now()
  const answer = await agent.sendMessage({ body: { content: 'I live in Tbilisi' } })
  expect(answer.content).toBe(goodAnswer)
  expect(performance.now() - begun).toBeLessThan(3_000)
  expect((await memory.listSemantic()).entries.map(({ id }) => id)).toEqual([kept.id])
  expect(await memory.getMemory({ params: { id: kept.id } })).toMatchObject({ content: fact.text })
  for (const refused of [
    () => memory.searchMemory({ query: { q: 'lighthouse' } }),
    () => memory.addMemory({ body: fact }),
    () => memory.consolidateMemory(),
  ])
    await expect(refused()).rejects.toMatchObject({ kind: 'unavailable' })
  expect(await memory.getMemoryStatus()).toMatchObject({ embedding: null, waiting: 1 })
  expect(await memory.deleteMemory({ params: { id: kept.id } })).toMatchObject({ deleted: true })
  const { events } = await keel.client.events.listEvents({ query: { types: 'memory_ingest_failed' } })
  expect(events).toEqual([])
  // Recovered.
  install.mendService('memory')
  await services.restartService({ params: { name: 'memory' } })
  await eventually('what was said is remembered', async () => (await memory.getMemoryStatus()).waiting === 0, 10_000)
  const found = await memory.searchMemory({ query: { q: 'Tbilisi' } })
  expect(found.results.some(({ content }) => content.includes('Tbilisi'))).toBe(true)
  expect((await memory.searchMemory({ query: { q: 'lighthouse' } })).results.map(({ id }) => id)).not.toContain(kept.id)
}, 90_000)
