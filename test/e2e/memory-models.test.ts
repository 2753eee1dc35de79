import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Daemon, eventually, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

/*
 * What memory asks of models: facts in languages that its rules do not know, and vectors of a provider's making.
 */

const patienceMs = 15_000

let keel: Daemon
let upstream: Upstream
let embeds = true

beforeAll(async () => {
  upstream = await startUpstream((request) => {
    if (/embeddings$/.test(request.path)) return embeds ? {} : { status: 500 }
    const [system] = request.body.messages as { content: string }[]
    if (!system?.content.startsWith('You extract lasting facts')) return { text: 'Volentieri.' }
    const facts = [
      { category: 'home', key: 'home', value: 'Torino' },
      { category: 'identity', key: 'name', value: 'Napoleone' },
    ]
    return { text: JSON.stringify({ facts }) }
  })
  const memory = '[memory]\nembedding_provider = "mock"\nembedding_model = "embedder"\n'
  keel = await startDaemon({ config: upstreamConfig(upstream.url, memory) })
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  await upstream.close()
})

const status = () => keel.client.memory.getMemoryStatus()
const search = (q: string) => keel.client.memory.searchMemory({ query: { q } })

/** All that is remembered has a vector of this model. */
const allHaveVectorsOf = (model: string) =>
  eventually(
    `vectors of ${model}`,
    async () => {
      const { embedding, waiting } = await status()
      return waiting === 0 && embedding?.model === model && embedding.total > 0 && embedding.done === embedding.total
    },
    patienceMs,
  )

test('a model finds facts that no rule knows, and nothing that was not said; its cost is the turn’s', async () => {
  const { turn_id } = await keel.client.agent.sendMessage({ body: { content: 'Ciao, abito a Torino da anni.' } })
  await allHaveVectorsOf('mock/embedder')
  const { entries } = await keel.client.memory.listSemantic({ query: {} })
  expect(entries.map(({ category, key, value }) => [category, key, value])).toEqual([['home', 'home', 'Torino']])
  const { costs } = await keel.client.stats.listCosts({ query: {} })
  expect(costs.filter(({ tier }) => tier === 'memory')).toMatchObject([{ turn_id, model: 'mock/test-model' }])
})

test('vectors are the provider’s, and another model makes all of them anew', async () => {
  expect((await search('Torino')).trace).toMatchObject({ embedding_model: 'mock/embedder', vector_note: null })
  await keel.client.config.updateConfig({ body: { memory: { embedding_model: 'another' } } })
  await allHaveVectorsOf('mock/another')
  expect((await search('Torino')).trace).toMatchObject({ embedding_model: 'mock/another', vector_note: null })
  const asked = upstream.requests.filter(({ path }) => path.endsWith('embeddings')).map(({ body }) => body.model)
  expect(new Set(asked)).toEqual(new Set(['embedder', 'another']))
})

test('while the provider makes no vectors words are found, and the search says so; afterwards all is made up for', async () => {
  embeds = false
  await keel.client.memory.addMemory({ body: { text: 'The spare key is under the blue pot.' } })
  const { results, trace } = await search('spare key')
  expect(results[0]?.content).toBe('The spare key is under the blue pot.')
  expect(trace).toMatchObject({ embedding_model: null, vector_note: expect.any(String) })
  await eventually('it is told', async () => (await status()).embedding?.stalled !== null, patienceMs)
  embeds = true
  await keel.client.breaker.resetBreaker({ params: { provider: 'mock' } })
  await allHaveVectorsOf('mock/another')
})
