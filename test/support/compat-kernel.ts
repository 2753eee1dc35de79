import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import { compatHandlers } from '#kernel/areas/compat.ts'
import { pendingRoutes } from '#kernel/areas/pending.ts'
import { openConfig } from '#kernel/config/live-config.ts'
import { createEventBus } from '#kernel/events/bus.ts'
import { inferenceSettingsOf } from '#kernel/inference/settings.ts'
import { openProviderKeys } from '#kernel/secrets/provider-keys.ts'
import { openToolbox } from '#kernel/tools/toolbox.ts'
import { openInFlight } from '#kernel/turns/in-flight.ts'
import { TurnRunner } from '#kernel/turns/turn-runner.ts'
import { compatRoutes } from '#sdk/contracts/compat.ts'
import type { Client } from '#sdk/service.ts'
import type { agentService } from '#sdk/services/agent.ts'
import { openApprovals } from './approvals.ts'
import { startHttpKernel, testKey } from './http-kernel.ts'
import { startInference } from './inference-service.ts'
import { tempHome } from './temp-home.ts'
import { temporaryStore } from './temp-store.ts'
import { startUpstream, type UpstreamOptions } from './upstream.ts'

type RunTurn = Client<typeof agentService>['run']

/** An agent that answers with what it was told. */
const echo: RunTurn = async ({ input }, options) => {
  for (const delta of ['You said: ', input.text])
    await options?.onChunk?.({ type: 'delta', delta, model: 'mock/agent-model' })
  return { status: 'ok', content: `You said: ${input.text}`, reason: null, react_turns: 1 }
}

/**
 * The doors for other APIs' clients on a free port: real HTTP, configuration, store and inference service; the upstream
 * and the agent are scripted. Providers: `mock` and `spare` speak OpenAI's protocol, `claude` speaks Anthropic's.
 */
export async function startDoors({
  config = '',
  run = echo,
  upstream: upstreamOptions,
}: {
  config?: string
  run?: RunTurn
  upstream?: UpstreamOptions
} = {}) {
  const upstream = await startUpstream({}, upstreamOptions)
  const spare = await startUpstream({ text: 'From the spare.' })
  const provider = (name: string, url: string, more: string) =>
    `[providers.${name}]\nurl = "${url}"\napi_key = "upstream-key-0123456789"\n${more}\n`
  const home = tempHome(
    [
      '[models]\nprimary = "mock/test-model"\nfallbacks = ["spare/other-model"]\n[models.routing]\nmode = "primary"\n',
      provider('mock', upstream.url, 'models = ["test-small", "family/nested"]\nembedding_model = "embedder"'),
      provider('spare', spare.url, 'models = ["test-small"]'),
      provider('claude', upstream.url, 'format = "anthropic"\nmodels = ["claude-a", "claude-b", "claude-c"]'),
      config,
    ].join('\n'),
  )
  const live = openConfig(home, {})
  const keys = openProviderKeys({ get: () => undefined }, {})
  const log = pino({ enabled: false })
  const { store } = temporaryStore()
  const bus = createEventBus({ db: store.write, log })
  const service = await startInference({ settings: inferenceSettingsOf(live.current(), keys, null) })
  const turns = new TurnRunner({
    store,
    bus,
    config: live,
    agent: { run },
    approvals: openApprovals(store, bus),
    toolbox: openToolbox([]),
    skillsFor: () => ({ active: [], index: [] }),
    log,
    version: '0.0.0',
    expectedModel: () => live.current().models.primary,
    onFinished: () => {},
  })
  const context = {
    inference: service.inference,
    config: live,
    store,
    bus,
    inFlight: openInFlight(),
    turns,
    log,
    startedAt: Date.UTC(2026, 0, 2, 3, 4, 5),
  }
  const kernel = await startHttpKernel({ compat: { table: compatRoutes, handlers: compatHandlers } }, context, {
    pending: new Set(pendingRoutes.filter((name) => name.startsWith('compat.'))),
  })
  onTestFinished(async () => {
    await kernel.close()
    await turns.close(1_000)
    bus.close()
    await service.close()
    await Promise.all([upstream.close(), spare.close()])
  })
  return {
    ...kernel,
    ...context,
    upstream,
    spare,
    kept: service.kept,
    openai: new OpenAI({ baseURL: `${kernel.url}/v1`, apiKey: testKey, maxRetries: 0 }),
    anthropic: new Anthropic({ baseURL: `${kernel.url}/anthropic`, apiKey: testKey, maxRetries: 0 }),
    /** A plain request with the right key. */
    post(path: string, body: unknown, headers: Record<string, string> = {}) {
      return fetch(kernel.url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-api-key': testKey, ...headers },
        body: JSON.stringify(body),
      })
    },
  }
}
