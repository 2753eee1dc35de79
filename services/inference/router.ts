import type { Logger } from 'pino'
import type { InferenceSettings, SavedBreaker } from '#sdk/services/inference.ts'
import { Breakers } from './breakers.ts'
import type { BudgetDesk } from './budget-desk.ts'
import { Capacity } from './capacity.ts'
import type { CircuitBreaker } from './circuit-breaker.ts'
import type { CostLedger } from './cost-ledger.ts'
import { type Grade, Quality } from './quality.ts'
import { slotsByProvider } from './upstream-slots.ts'

/** What the service knows of its providers while it runs, and what it does that knowledge with. */
export interface Router {
  breakers: Breakers
  capacity: Capacity
  quality: Quality
  slotsOf: ReturnType<typeof slotsByProvider>
  recordCost: CostLedger
  budgets: BudgetDesk
  /** What is to be done for each call under way when the process must end now: books what it has used so far. */
  cutOffs: Set<() => void>
  log: Logger
  now: () => number
  random: () => number
  nextTurn: () => number
}

export interface RouterSetup {
  settings: InferenceSettings
  savedBreakers: SavedBreaker[]
  observations: Record<string, number[]>
  grades: Grade[]
  recordCost: CostLedger
  budgets: BudgetDesk
  onBreakerTransition: ConstructorParameters<typeof CircuitBreaker>[2]['onTransition']
  log: Logger
  now?: () => number
  random?: () => number
}

export function createRouter(setup: RouterSetup): Router {
  const { now = Date.now, random = Math.random } = setup
  let turns = 0
  return {
    breakers: new Breakers(setup.settings.breaker, setup.savedBreakers, {
      now,
      random,
      onTransition: setup.onBreakerTransition,
    }),
    capacity: new Capacity(now),
    quality: new Quality(setup.observations, setup.grades),
    slotsOf: slotsByProvider(),
    recordCost: setup.recordCost,
    budgets: setup.budgets,
    cutOffs: new Set(),
    log: setup.log,
    now,
    random,
    nextTurn: () => turns++,
  }
}
