import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  providerAt,
  type RunningInference,
  requestWith,
  settingsWith,
  startInference,
} from '../support/inference-service.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

let sick: Upstream
let well: Upstream
let service: RunningInference
let clock = 0

beforeEach(async () => {
  clock = Date.now()
  sick = await startUpstream()
  well = await startUpstream({ text: 'All is well.' })
  const providers = [providerAt('well', well.url), providerAt('sick', sick.url)]
  service = await startInference(
    {
      settings: settingsWith(providers, {
        embedding_model: 'sick/embedder',
        routing: { per_provider_timeout_seconds: 0.5, max_total_inference_seconds: 5 },
      }),
    },
    { random: () => 0.5, now: () => clock },
  )
})
afterEach(async () => {
  await service.close()
  await Promise.all([sick.close(), well.close()])
})

const ask = (change: Parameters<typeof requestWith>[0] = {}) => service.inference.complete(requestWith(change))

test('a provider that hangs with all its places taken keeps nobody from another', async () => {
  await service.inference.configure(
    settingsWith([providerAt('well', well.url), providerAt('sick', sick.url)], {
      routing: { per_provider_timeout_seconds: 30, max_total_inference_seconds: 60 },
    }),
  )
  expect((await ask({ model: 'sick/m', fallback: false })).model).toBe('sick/m')
  sick.script({ fault: 'hang' })
  const leaving = new AbortController()
  const waiting = Array.from({ length: 300 }, (_, n) =>
    service.inference.complete(requestWith({ model: 'sick/m', fallback: false, text: `Number ${n}` }), {
      signal: leaving.signal,
    }),
  )
  const settled = Promise.allSettled(waiting)
  await sick.received(1 + 256)
  expect(await ask({ model: 'well/m', fallback: false })).toMatchObject({ text: 'All is well.' })
  leaving.abort()
  expect((await settled).every(({ status }) => status === 'rejected')).toBe(true)
  sick.script({})
  expect((await ask({ model: 'sick/m', fallback: false })).model).toBe('sick/m')
})

test('an embedder that hangs costs the cache some patience three times, then none until it is back', async () => {
  const question = (n: number) => ask({ cache_scope: 'someone', temperature: 0, text: `What is the ${n}th prime?` })
  const asksFor = () => sick.requests.filter(({ path }) => path.endsWith('/embeddings')).length
  expect((await question(0)).text).toBe('All is well.')
  expect(asksFor()).toBe(1)
  sick.script({ fault: 'hang' })
  for (let n = 1; n <= 6; n++) expect((await question(n)).text).toBe('All is well.')
  expect(asksFor()).toBe(1 + 3)
  expect((await service.inference.status({})).breakers.sick).toMatchObject({ state: 'open', last_error: 'timeout' })
  expect((await question(2)).cache_level).toBe('exact')

  sick.script({})
  clock += 72_000
  expect((await question(7)).text).toBe('All is well.')
  expect(asksFor()).toBe(1 + 3 + 1)
  expect((await service.inference.status({})).breakers.sick).toMatchObject({ state: 'closed' })
  expect((await question(7)).cache_level).toBe('exact')
  expect(asksFor()).toBe(1 + 3 + 1)
})
