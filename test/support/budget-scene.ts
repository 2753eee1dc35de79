import { setImmediate as nextTick } from 'node:timers/promises'
import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import { BudgetLedger } from '#kernel/budgets/ledger.ts'
import { budgetLinesOf } from '#kernel/budgets/lines.ts'
import { type Config, configSchema } from '#kernel/config/schema.ts'
import { CostLedger } from '#kernel/inference/cost-ledger.ts'
import { inferenceTerms } from '#kernel/inference/inference-terms.ts'
import { inferenceSettingsOf } from '#kernel/inference/settings.ts'
import { openProviderKeys } from '#kernel/secrets/provider-keys.ts'
import { type AccountRow, findBudgetAccount } from '#kernel/store/budgets.ts'
import { listCosts } from '#kernel/store/costs.ts'
import { type BudgetScope, noAccount } from '#sdk/budgets.ts'
import { timestamp } from '#sdk/ids.ts'
import { startInference } from './inference-service.ts'
import { temporaryStore } from './temp-store.ts'
import { startUpstream } from './upstream.ts'

/** Dollars per token, in and out. */
export const price = { input: 0.001, output: 0.002 }

type Budgets = Partial<Record<BudgetScope, Partial<Config['budgets']['day']>>> & { max_output_tokens?: number }

export interface BudgetSceneOptions {
  /** The day has no line of its own unless told, and a treasury that is never met. */
  budgets?: Budgets
  /** Providers in their order: `paid` costs money, `cheap` a tenth of it, `free` nothing. */
  models?: ('paid' | 'cheap' | 'free')[]
  routing?: Partial<Config['models']['routing']>
}

/** The real inference service and the kernel's real books, in one process, with upstreams that are scripted. */
export async function openBudgetScene({ budgets = {}, models = ['paid'], routing = {} }: BudgetSceneOptions = {}) {
  const [paid, cheap, free] = await Promise.all([
    startUpstream({ text: 'Paid.' }),
    startUpstream({ text: 'Cheap.' }),
    startUpstream({ text: 'Free.' }),
  ])
  const key = { api_key: 'upstream-key-0123456789' }
  const configWith = (wanted: Budgets) =>
    configSchema.parse({
      budgets: wanted,
      treasury: { daily_inference_budget: 1e6 },
      cache: { enabled: false },
      models: {
        primary: `${models[0]}/m`,
        fallbacks: models.slice(1).map((name) => `${name}/m`),
        routing: { mode: 'primary', ...routing },
      },
      providers: {
        paid: { url: paid.url, ...key, cost_per_input_token: price.input, cost_per_output_token: price.output },
        cheap: {
          url: cheap.url,
          ...key,
          cost_per_input_token: price.input / 10,
          cost_per_output_token: price.output / 10,
        },
        free: { url: free.url, is_local: true },
      },
    })
  let config = configWith(budgets)
  const keys = openProviderKeys({ get: () => undefined }, {})
  const settings = () => inferenceSettingsOf(config, keys, null)
  const { store } = temporaryStore()
  const log = pino({ enabled: false })
  const told: { type: string; [field: string]: unknown }[] = []
  const bus = {
    publish: (type: string, fields: object) => void told.push({ type, ...fields }),
  } as unknown as Parameters<typeof inferenceTerms>[0]['bus']
  const ledger = new BudgetLedger({ db: store.write, bus, log, lines: () => budgetLinesOf(config) })
  const costs = new CostLedger(store.write, log, ledger)
  const asked: string[] = []
  const kernel = inferenceTerms({ store, costs, budgets: ledger, bus, settings })
  const terms: typeof kernel = {
    ...kernel,
    budgetStandings(params, call) {
      asked.push('standings')
      return kernel.budgetStandings(params, call)
    },
    reserveBudget(params, call) {
      asked.push('reserve')
      return kernel.reserveBudget(params, call)
    },
  }
  const service = await startInference({ settings: settings() }, {}, terms)
  onTestFinished(async () => {
    await service.close()
    costs.close()
    await Promise.all([paid.close(), cheap.close(), free.close()])
  })

  return {
    ...service,
    ledger,
    costs,
    store,
    settings,
    paid,
    cheap,
    free,
    /** What the service has asked the kernel about budgets. */
    asked,
    /** What was announced, oldest first. */
    told,
    /** Other lines from now on. */
    async change(wanted: Budgets) {
      config = configWith(wanted)
      await service.inference.configure(settings())
    },
    async account(scope: BudgetScope, name = ''): Promise<AccountRow | undefined> {
      await nextTick()
      costs.flush()
      const period = scope === 'session' ? '' : timestamp().slice(0, 10)
      return findBudgetAccount(store.read, { scope, key: name, period })
    },
    /** The sums of all rows of the ledger. */
    async billed() {
      await nextTick()
      costs.flush()
      const rows = listCosts(store.read, { since: null, limit: 10_000, offset: 0 })
      return {
        calls: rows.length,
        cost: rows.reduce((sum, row) => sum + row.cost, 0),
        tokens: rows.reduce((sum, row) => sum + row.tokens_in + row.tokens_out, 0),
      }
    },
  }
}

export type BudgetScene = Awaited<ReturnType<typeof openBudgetScene>>

export const accountOf = (change: Partial<typeof noAccount>) => ({ ...noAccount, ...change })
