import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  forkInference,
  providerAt,
  type RunningInference,
  requestWith,
  settingsWith,
} from '../support/inference-service.ts'
import { closedUpstreamUrl, startUpstream, type Upstream } from '../support/upstream.ts'

const keys = ['sk-canary-0123456789abcdef', 'plain canary key 42']
let upstream: Upstream
let service: RunningInference

beforeEach(async () => {
  upstream = await startUpstream((request) => ({
    status: 400,
    // Providers do repeat the key they were sent.
    error: {
      message: `Incorrect key ${request.headers.authorization} in ${request.path}\nsecond line`,
      type: keys[1] ?? '',
    },
  }))
})
afterEach(async () => {
  await service.close()
  await upstream.close()
})

test.each(keys)('the key %s is in no error, no list and no log', async (key) => {
  const gone = await closedUpstreamUrl()
  service = await forkInference({
    settings: settingsWith([
      providerAt('bearer', upstream.url, { api_key: key }),
      providerAt('query', upstream.url, { api_key: key, auth_header: 'query:key' }),
      providerAt('gone', gone, { api_key: key, auth_header: 'query:key' }),
    ]),
  })
  const said: unknown[] = []
  for (const name of ['bearer', 'query', 'gone']) {
    for (const stream of [false, true]) {
      const request = requestWith({ model: `${name}/m`, stream, fallback: false })
      said.push(await service.inference.complete(request).catch((error: Error) => [error.message, { ...error }]))
    }
    said.push(
      await service.inference
        .embed({ model: `${name}/e`, input: ['x'] })
        .catch((error: Error) => [error.message, { ...error }]),
    )
  }
  said.push(await service.inference.listModels({ refresh: true, probe: true }), await service.inference.status({}))
  expect(said).toHaveLength(11)
  expect(service.log()).toContain('a model failed')
  for (const form of [key, encodeURIComponent(key), key.replaceAll(' ', '+')]) {
    expect(JSON.stringify([said, service.kept])).not.toContain(form)
    expect(service.log()).not.toContain(form)
  }
  expect(service.log()).not.toContain('second line')
})
