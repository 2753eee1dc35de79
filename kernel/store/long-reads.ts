import { efficiencyOfPeriod } from '#kernel/observatory/statistics/efficiency.ts'
import { routingDataset } from '#kernel/observatory/statistics/routing-dataset.ts'
import { evaluateRouting } from '#kernel/observatory/statistics/routing-eval.ts'
import { listBudgetAccounts } from './budgets.ts'
import { costSummary, listCosts } from './costs.ts'
import { listCronJobs } from './cron-jobs.ts'
import { listCronRuns } from './cron-runs.ts'
import { findNaming, findOfSession } from './memory-forgetting.ts'
import {
  countMemories,
  listEpisodic,
  listProcedural,
  listRelationships,
  listSemantic,
  listSemanticCategories,
  listSessionWorking,
  listWorking,
} from './memory-lists.ts'
import { exportMemories } from './memory-transfer.ts'
import { listSelections } from './selections.ts'
import { newestExchanges, sessionFacts } from './session-facts.ts'
import { countSessions, listSessions } from './sessions.ts'
import { periodUsage } from './statistics/period-usage.ts'
import { hourlySeries } from './statistics/timeseries.ts'
import { cacheUse } from './statistics/usage.ts'
import { listTransactions } from './transactions.ts'
import { turnFacts } from './turn-facts.ts'

/** The reads whose time grows with the data; they run on the reader pool, never on the event loop. */
export const longReads = {
  listSessions,
  countSessions,
  costSummary,
  listCosts,
  listBudgetAccounts,
  listWorking,
  listSessionWorking,
  listEpisodic,
  listSemantic,
  listSemanticCategories,
  listProcedural,
  listRelationships,
  countMemories,
  exportMemories,
  findOfSession,
  findNaming,
  listCronJobs,
  listCronRuns,
  turnFacts,
  sessionFacts,
  newestExchanges,
  periodUsage,
  efficiencyOfPeriod,
  hourlySeries,
  cacheUse,
  listTransactions,
  listSelections,
  routingDataset,
  evaluateRouting,
}

export type LongReads = typeof longReads
