import { newId, timestamp } from '#sdk/ids.ts'
import { sql, type WritableDb } from './database.ts'

export function insertMetricSnapshot(db: WritableDb, metrics: Record<string, number>): void {
  sql(db, 'INSERT INTO metric_snapshots (id, metrics_json, created_at) VALUES (?, ?, ?)').run(
    newId(),
    JSON.stringify(metrics),
    timestamp(),
  )
}
