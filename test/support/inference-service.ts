import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { pino } from 'pino'
import { type BudgetSettings, budgetScopes } from '#sdk/budgets.ts'
import { memoryChannelPair } from '#sdk/rpc/memory-channel.ts'
import { Peer } from '#sdk/rpc/peer.ts'
import { socketChannel } from '#sdk/rpc/socket-channel.ts'
import type { Client, Result, ServiceHandlers } from '#sdk/service.ts'
import {
  type InferenceRequest,
  type InferenceSettings,
  inferenceRequest,
  inferenceService,
  type ProviderSettings,
  type SavedBreaker,
} from '#sdk/services/inference.ts'
import { type CacheEntry, type CostRecord, kernelForInference } from '#sdk/services/kernel.ts'
import { createInference, type InferenceTools } from '../../services/inference/inference.ts'
import { providerByFormat } from '../../services/inference/providers/provider-by-format.ts'

const mainPath = new URL('../../services/inference/main.ts', import.meta.url).pathname

export function providerAt(name: string, url: string, more: Partial<ProviderSettings> = {}): ProviderSettings {
  return {
    name,
    url,
    format: 'openai',
    api_key: 'test-key',
    key_status: 'configured',
    chat_path: null,
    auth_header: null,
    extra_headers: {},
    is_local: false,
    tier: null,
    models: [],
    cost_per_input_token: 0.001,
    cost_per_output_token: 0.002,
    tpm_limit: null,
    rpm_limit: null,
    embedding_model: null,
    ...more,
  }
}

type SettingsChange = Partial<Omit<InferenceSettings, 'routing' | 'breaker' | 'cache' | 'budgets'>> & {
  routing?: Partial<InferenceSettings['routing']>
  breaker?: Partial<InferenceSettings['breaker']>
  cache?: Partial<InferenceSettings['cache']>
  budgets?: Partial<BudgetSettings>
}

const noBudgets = Object.fromEntries(
  budgetScopes.map((scope) => [scope, { cost: null, tokens: null }]),
) as BudgetSettings['scopes']

/** Settings with the contract's defaults, but in the configured order; the first provider's `m` is the primary. */
export function settingsWith(providers: ProviderSettings[], change: SettingsChange = {}): InferenceSettings {
  const [primary = '', ...fallbacks] = providers.map(({ name }) => `${name}/m`)
  return {
    providers,
    primary,
    fallbacks,
    override: null,
    model_overrides: {},
    embedding_model: null,
    ...change,
    routing: {
      mode: 'primary',
      cost_aware: false,
      cost_weight: null,
      accuracy_floor: 0,
      accuracy_min_obs: 10,
      confidence_threshold: 0.9,
      local_first: true,
      estimated_output_tokens: 500,
      canary_model: null,
      canary_fraction: 0,
      blocked_models: [],
      per_provider_timeout_seconds: 5,
      max_total_inference_seconds: 20,
      max_fallback_attempts: 6,
      ...change.routing,
    },
    breaker: { threshold: 3, window_seconds: 60, cooldown_seconds: 60, max_cooldown_seconds: 900, ...change.breaker },
    cache: { enabled: true, ttl_seconds: 3600, semantic_threshold: 0.95, max_entries: 1000, ...change.cache },
    budgets: { scopes: noBudgets, max_output_tokens: 8_192, ...change.budgets },
  }
}

let requests = 0

export function requestWith(change: Partial<InferenceRequest> & { text?: string } = {}): InferenceRequest {
  const { text = 'Hello?', ...more } = change
  return inferenceRequest.parse({
    request_id: `request-${++requests}`,
    model: 'auto',
    messages: [{ role: 'user', content: text }],
    purpose: 'turn',
    ...more,
  })
}

export interface KeptByKernel {
  costs: CostRecord[]
  breakers: { breaker: SavedBreaker; from: string; reason: string }[]
  cache: CacheEntry[]
}

export interface RunningInference {
  inference: Client<typeof inferenceService>
  /** What the service has asked the kernel to keep. */
  kept: KeptByKernel
  /** Everything it has written to its log. */
  log(): string
  close(): Promise<void>
}

type Start = Result<(typeof kernelForInference)['methods']['start']>

function fakeKernel(
  peer: Peer,
  start: Partial<Start> & Pick<Start, 'settings'>,
  terms: Partial<ServiceHandlers<typeof kernelForInference>> = {},
): KeptByKernel {
  const kept: KeptByKernel = { costs: [], breakers: [], cache: [] }
  peer.serve(kernelForInference, {
    start: () => ({ breakers: [], observations: {}, grades: [], cache: [], ...start }),
    recordCost(cost) {
      kept.costs.push(cost)
      return null
    },
    budgetStandings: () => ({ standings: [] }),
    reserveBudget: () => ({ refusal: null }),
    releaseBudget: () => null,
    noteHardLine: () => null,
    saveBreaker(change) {
      kept.breakers.push(change)
      return null
    },
    saveCacheEntry(entry) {
      kept.cache.push(entry)
      return null
    },
    ...terms,
  })
  return kept
}

/**
 * The service in this process, over a channel in memory; `terms` answer in place of a kernel that only keeps what it is
 * told. `endCalls` is what a process does last that is told to end.
 */
export async function startInference(
  start: Partial<Start> & Pick<Start, 'settings'>,
  tools: InferenceTools = {},
  terms?: Partial<ServiceHandlers<typeof kernelForInference>>,
): Promise<RunningInference & { endCalls(): void }> {
  // The limits of the tests are short: no call should have to load its SDK.
  await Promise.all(Object.values(providerByFormat).map((load) => load()))
  const [kernelEnd, serviceEnd] = memoryChannelPair()
  const kernel = new Peer(kernelEnd)
  const service = new Peer(serviceEnd)
  const kept = fakeKernel(kernel, start, terms)
  let written = ''
  const log = pino(
    { level: 'debug' },
    {
      write(line: string) {
        written += line
      },
    },
  )
  const setup = await createInference(service.connect(kernelForInference), log, tools)
  service.serve(inferenceService, setup.handlers)
  return {
    inference: kernel.connect(inferenceService),
    kept,
    log: () => written,
    endCalls: () => void setup.close?.(),
    async close() {
      kernel.close()
      await setup.close?.()
    },
  }
}

/** The service as the kernel runs it: a process of its own, on the fourth descriptor. */
export async function forkInference(
  start: Partial<Start> & Pick<Start, 'settings'>,
): Promise<RunningInference & { child: ChildProcess; stop(): void }> {
  const child = spawn(process.execPath, [mainPath], { stdio: ['ignore', 'pipe', 'pipe', 'pipe'] })
  let written = ''
  child.stdout?.on('data', (bytes: Buffer) => {
    written += bytes.toString()
  })
  child.stderr?.on('data', (bytes: Buffer) => {
    written += bytes.toString()
  })
  const peer = new Peer(socketChannel(child.stdio[3] as Socket))
  const kept = fakeKernel(peer, start)
  const greeted = new Promise<void>((resolve) => peer.onNotice('$/hello', () => resolve()))
  const died = once(child, 'exit').then(() => Promise.reject(new Error(`The service ended: ${written}`)))
  await Promise.race([greeted.then(() => peer.control('$/ping', 10_000)), died])
  died.catch(() => {})
  return {
    child,
    /** Tells it to end. */
    stop: () => peer.notify('$/stop'),
    inference: peer.connect(inferenceService),
    kept,
    log: () => written,
    async close() {
      const exit = child.exitCode === null ? once(child, 'exit') : undefined
      peer.close()
      await exit
    },
  }
}

/** Waits until `read` gives something, looking again after each turn of the event loop. */
export async function eventually<T>(read: () => T | undefined | false, what: string, timeoutMs = 5_000): Promise<T> {
  const end = performance.now() + timeoutMs
  for (;;) {
    const value = read()
    if (value !== undefined && value !== false) return value
    if (performance.now() > end) throw new Error(`Not within ${timeoutMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
