import { RuntimeError } from '#sdk/errors.ts'
import { timestamp } from '#sdk/ids.ts'
import { type ReadableDb, sql, type WritableDb } from './database.ts'
import { findIdentity } from './identity.ts'
import type { Migration } from './migration.ts'
import { sessionsMigration } from './migrations/0010-sessions.ts'
import { eventsMigration } from './migrations/0020-events.ts'
import { turnsMigration } from './migrations/0030-turns.ts'
import { inferenceMigration } from './migrations/0040-inference.ts'
import { secretsMigration } from './migrations/0050-secrets.ts'
import { costIndexesMigration } from './migrations/0060-cost-indexes.ts'
import { approvalsMigration } from './migrations/0070-approvals.ts'
import { skillsMigration } from './migrations/0080-skills.ts'
import { pluginsMigration } from './migrations/0090-plugins.ts'
import { approvalGrantsMigration } from './migrations/0100-approval-grants.ts'
import { memoryMigration } from './migrations/0110-memory.ts'
import { schedulerMigration } from './migrations/0120-scheduler.ts'
import { channelsMigration } from './migrations/0130-channels.ts'
import { statisticsMigration } from './migrations/0140-statistics.ts'
import { budgetsMigration } from './migrations/0150-budgets.ts'
import { analysesMigration } from './migrations/0160-analyses.ts'
import { replaysMigration } from './migrations/0170-replays.ts'
import { retentionMigration } from './migrations/0180-retention.ts'
import { traceIdsMigration } from './migrations/0190-trace-ids.ts'

/** In order. A migration that has shipped is never edited; a mistake is mended by the next one. */
export const migrations: readonly Migration[] = [
  sessionsMigration,
  eventsMigration,
  turnsMigration,
  inferenceMigration,
  secretsMigration,
  costIndexesMigration,
  approvalsMigration,
  skillsMigration,
  pluginsMigration,
  approvalGrantsMigration,
  memoryMigration,
  schedulerMigration,
  channelsMigration,
  statisticsMigration,
  budgetsMigration,
  analysesMigration,
  replaysMigration,
  retentionMigration,
  traceIdsMigration,
]

/**
 * Brings the schema up to date, in one transaction with the numbers of its steps: where one fails, the database stays
 * usable for the build that wrote it. A database of a newer build is refused.
 */
export function migrate(db: WritableDb, steps: readonly Migration[] = migrations): void {
  db.exec(
    'CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at TEXT NOT NULL)',
  )
  const current = requireKnownSchema(db, steps)
  db.transaction(() => {
    for (const step of steps.filter((candidate) => candidate.version > current)) {
      step.up(db)
      sql(db, 'INSERT INTO schema_version (version, name, applied_at) VALUES (?, ?, ?)').run(
        step.version,
        step.name,
        timestamp(),
      )
    }
  })()
}

/** The version of the schema; throws when it is a newer one than this build knows. */
export function requireKnownSchema(db: ReadableDb, steps: readonly Migration[] = migrations): number {
  const row = sql(db, 'SELECT max(version) AS version FROM schema_version').get() as { version: number | null }
  const current = row.version ?? 0
  const newest = steps.at(-1)?.version ?? 0
  if (current <= newest) return current
  const build = buildOf(db)
  throw new RuntimeError(
    'unavailable',
    `its file was written by a newer build of Keel: it has schema ${current}, and this build knows schema ${newest}. Start ${build ? `Keel ${build} or a later one` : 'that build'}, or restore a backup`,
  )
}

/** The build that used the database last; unknown where it has no place for that yet. */
function buildOf(db: ReadableDb): string | undefined {
  const hasPlace = sql(db, `SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'identity'`).get()
  return hasPlace ? findIdentity(db, 'build') : undefined
}
