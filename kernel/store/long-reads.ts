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
import { sessionFacts } from './session-facts.ts'
import { countSessions, listSessions } from './sessions.ts'
import { periodUsage } from './statistics/period-usage.ts'
import { turnFacts } from './turn-facts.ts'

/** The reads whose time grows with the data; they run on the reader pool, never on the event loop. */
export const longReads = {
  listSessions,
  countSessions,
  costSummary,
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
  periodUsage,
}

export type LongReads = typeof longReads
