import type { Logger } from 'pino'
import type { InferenceSettings, SavedBreaker } from '#sdk/services/inference.ts'
import { Breakers } from './breakers.ts'
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
    log: setup.log,
    now,
    random,
    nextTurn: () => turns++,
  }
}
