import type { Logger } from 'pino'
import { newId } from '#sdk/ids.ts'
import type { ServiceSetup } from '#sdk/rpc/run-service.ts'
import type { Client, Result } from '#sdk/service.ts'
import { type InferenceSettings, inferenceRequest, type inferenceService } from '#sdk/services/inference.ts'
import type { kernelForInference } from '#sdk/services/kernel.ts'
import { budgetDesk } from './budget-desk.ts'
import { completer } from './complete.ts'
import { costLedger } from './cost-ledger.ts'
import { embedTexts } from './embeddings.ts'
import { modelLister } from './list-models.ts'
import { findProvider, splitModel } from './model-names.ts'
import { probeModels } from './probe-models.ts'
import { providerByFormat } from './providers/provider-by-format.ts'
import { ResponseCache } from './response-cache.ts'
import { createRouter, type Router } from './router.ts'
import { routingProfiles } from './routing-profiles.ts'
import { selectModel } from './select-model.ts'

type Methods = (typeof inferenceService)['methods']

const middlingComplexity = 0.5

const warmUpDelayMs = 20

export interface InferenceTools {
  now?: () => number
  random?: () => number
}

/** Builds the service from what the kernel has kept for it. */
export async function createInference(
  kernel: Client<typeof kernelForInference>,
  log: Logger,
  { now = Date.now, random = Math.random }: InferenceTools = {},
): Promise<ServiceSetup<typeof inferenceService>> {
  const holder = newId()
  const started = await kernel.start({ holder, pid: process.pid })
  let settings: InferenceSettings = started.settings

  const router = createRouter({
    settings,
    savedBreakers: started.breakers,
    observations: started.observations,
    grades: started.grades,
    recordCost: costLedger(kernel, log),
    budgets: budgetDesk(kernel, holder, log),
    onBreakerTransition: (breaker, from, reason) => {
      log.info({ provider: breaker.provider, from, to: breaker.state, reason }, 'a breaker changed')
      kernel
        .saveBreaker({ breaker, from, reason })
        .catch((err: unknown) => log.error({ err }, 'a breaker could not be kept'))
    },
    log,
    now,
    random,
  })
  const cache = new ResponseCache(settings.cache, started.cache, {
    now,
    save: (entry) => {
      kernel.saveCacheEntry(entry).catch((err: unknown) => log.error({ err }, 'an answer could not be kept'))
    },
  })
  const complete = completer(router, cache, () => settings)
  const listModels = modelLister(now)
  // Once the kernel has its greeting, the first call need not wait for the clients either.
  setTimeout(() => loadClients(settings, log), warmUpDelayMs).unref()

  return {
    handlers: {
      complete: (request, { signal, emit }) => complete(request, { signal, emit }),
      configure(next) {
        forgetOldKeys(router, settings, next)
        settings = next
        router.breakers.configure(next.breaker)
        cache.configure(next.cache)
        return null
      },
      status: () => status(router, cache, settings),
      async listModels({ provider, refresh, probe }, { signal }) {
        const listed = await listModels(settings, { provider, refresh: refresh || probe })
        if (!probe) return listed
        for (const [model, error] of await probeModels(router, settings, signal)) {
          const listing = listed.providers[splitModel(model).provider]
          if (listing?.status === 'ok') Object.assign(listing, { status: 'error', error: `${model}: ${error}` })
        }
        return listed
      },
      routingDiagnostics: ({ also }) => ({ profiles: routingProfiles(router, settings, middlingQuestion(), also) }),
      resetBreaker({ provider }) {
        const known = isKnown(router, settings, provider)
        if (known) router.breakers.of(provider).reset()
        return { known }
      },
      openBreaker({ provider }) {
        const known = isKnown(router, settings, provider)
        if (known) router.breakers.of(provider).forceOpen()
        return { known }
      },
      keyChanged({ provider }) {
        router.breakers.find(provider)?.keyChanged()
        return null
      },
      gradeAnswer(grade) {
        router.quality.grade(grade)
        return null
      },
      forgetCache() {
        cache.clear()
        return null
      },
      embed: (request, { signal }) => embedTexts(router, settings, request, signal),
    },
    // Whoever waits for an answer asks the next process; the provider bills what this one was told all the same.
    close() {
      for (const cutOff of router.cutOffs) cutOff()
    },
  }
}

function isKnown(router: Router, settings: InferenceSettings, provider: string): boolean {
  return findProvider(settings, provider) !== undefined || router.breakers.find(provider) !== undefined
}

/** A provider whose key differs from before is given another chance. */
function forgetOldKeys({ breakers }: Router, before: InferenceSettings, after: InferenceSettings) {
  for (const { name, api_key: key } of after.providers) {
    const old = before.providers.find((provider) => provider.name === name)
    if (old && old.api_key !== key) breakers.find(name)?.keyChanged()
  }
}

function status(router: Router, cache: ResponseCache, settings: InferenceSettings): Result<Methods['status']> {
  const providers = settings.providers
  const names = new Set([...providers.map(({ name }) => name), ...router.breakers.names()])
  const capacity = Object.fromEntries(providers.map((provider) => [provider.name, router.capacity.status(provider)]))
  const breakers = [...names].map((name) => {
    const pressure = Object.hasOwn(capacity, name) && capacity[name]?.sustained_hot === true
    return [name, router.breakers.of(name).status(pressure)] as const
  })
  return {
    current_model: currentModel(router, settings),
    breakers: Object.fromEntries(breakers),
    capacity,
    cache: cache.status(),
  }
}

/** Stands for whatever may be asked next. */
function middlingQuestion() {
  return inferenceRequest.parse({
    request_id: newId(),
    model: 'auto',
    messages: [{ role: 'user', content: '' }],
    complexity: middlingComplexity,
    purpose: 'analysis',
  })
}

function currentModel(router: Router, settings: InferenceSettings): string {
  const request = middlingQuestion()
  // Neither the canary's dice nor the round robin's turn may move for a mere question.
  const still = { ...router, random: () => 1, nextTurn: () => 0 }
  return selectModel({ request, pinned: undefined, settings }, still).selection.selected_model
}

function loadClients({ providers }: InferenceSettings, log: Logger): void {
  for (const format of new Set(providers.map((provider) => provider.format))) {
    providerByFormat[format]().catch((err: unknown) =>
      log.error({ err, format }, 'a provider client could not be loaded'),
    )
  }
}
