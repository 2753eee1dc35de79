import { listBudgetAccounts } from './budgets.ts'
import { costSummary } from './costs.ts'
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
import { countSessions, listSessions } from './sessions.ts'

/** The reads whose time grows with the data; they run on the reader pool, never on the event loop. */
export const longReads = {
  listSessions,
  countSessions,
  costSummary,
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
}

export type LongReads = typeof longReads
