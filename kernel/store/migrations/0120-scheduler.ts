import type { Migration } from '../migration.ts'

export const schedulerMigration: Migration = {
  version: 120,
  name: 'scheduler',
  up: (db) =>
    db.exec(`
      CREATE TABLE cron_jobs (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        description TEXT,
        enabled INTEGER NOT NULL DEFAULT 1,
        schedule_kind TEXT NOT NULL CHECK (schedule_kind IN ('cron', 'every', 'once')),
        schedule_expr TEXT,
        schedule_every_ms INTEGER,
        schedule_tz TEXT NOT NULL DEFAULT 'UTC',
        -- As the scheduler reads it, JSON text.
        schedule_json TEXT NOT NULL,
        agent_id TEXT NOT NULL,
        session_target TEXT NOT NULL DEFAULT 'main' CHECK (session_target IN ('main', 'isolated')),
        payload_json TEXT NOT NULL,
        delivery_mode TEXT NOT NULL DEFAULT 'none' CHECK (delivery_mode IN ('none', 'announce')),
        delivery_channel TEXT,
        catch_up TEXT NOT NULL DEFAULT 'once' CHECK (catch_up IN ('skip', 'once', 'all')),
        overlap TEXT NOT NULL DEFAULT 'forbid' CHECK (overlap IN ('forbid', 'queue', 'replace', 'allow')),
        after_crash TEXT NOT NULL DEFAULT 'retry' CHECK (after_crash IN ('retry', 'fail')),
        max_retries INTEGER NOT NULL DEFAULT 3,
        timeout_seconds INTEGER NOT NULL DEFAULT 600,
        -- Of whoever made it, and the most that its runs may have.
        authority TEXT NOT NULL,
        created_by TEXT NOT NULL,
        revision INTEGER NOT NULL DEFAULT 1,
        last_run_at TEXT,
        last_status TEXT,
        last_duration_ms INTEGER,
        last_error TEXT,
        consecutive_errors INTEGER NOT NULL DEFAULT 0,
        next_run_at TEXT,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
      );
      CREATE INDEX cron_jobs_due ON cron_jobs (next_run_at) WHERE enabled = 1 AND next_run_at IS NOT NULL;
      CREATE INDEX cron_jobs_by_name ON cron_jobs (name, id);
      CREATE INDEX cron_jobs_by_maker ON cron_jobs (created_by);

      CREATE TABLE cron_runs (
        id TEXT PRIMARY KEY,
        job_id TEXT NOT NULL REFERENCES cron_jobs (id) ON DELETE CASCADE,
        status TEXT NOT NULL CHECK (status IN ('waiting', 'running', 'success', 'error', 'cancelled', 'skipped')),
        trigger TEXT NOT NULL CHECK (trigger IN ('schedule', 'manual', 'catch_up')),
        scheduled_for TEXT NOT NULL,
        -- Of skipped ones, the last of those that the row stands for, and how many they are.
        missed_until TEXT,
        missed_count INTEGER,
        attempt INTEGER NOT NULL DEFAULT 0,
        -- It waits until then.
        not_before TEXT,
        lease_holder TEXT,
        lease_expires_at TEXT,
        turn_id TEXT,
        session_id TEXT,
        -- 1: what may not be done twice was begun by this attempt or an earlier one.
        begun INTEGER NOT NULL DEFAULT 0,
        duration_ms INTEGER,
        error TEXT,
        output_text TEXT,
        created_at TEXT NOT NULL,
        started_at TEXT,
        finished_at TEXT
      );
      -- Each occurrence is claimed once, whoever claims.
      CREATE UNIQUE INDEX cron_runs_once ON cron_runs (job_id, scheduled_for) WHERE trigger <> 'manual';
      CREATE INDEX cron_runs_newest ON cron_runs (created_at DESC);
      CREATE INDEX cron_runs_of_day ON cron_runs (scheduled_for);
      CREATE INDEX cron_runs_of_job ON cron_runs (job_id, created_at DESC);
      CREATE INDEX cron_runs_waiting ON cron_runs (scheduled_for) WHERE status = 'waiting';
      CREATE INDEX cron_runs_put_off ON cron_runs (not_before) WHERE status = 'waiting' AND not_before IS NOT NULL;
      CREATE INDEX cron_runs_leased ON cron_runs (lease_expires_at) WHERE status = 'running';
      CREATE INDEX cron_runs_active ON cron_runs (job_id, status) WHERE status IN ('waiting', 'running');

      CREATE TABLE transactions (
        id TEXT PRIMARY KEY,
        tx_type TEXT NOT NULL,
        amount REAL NOT NULL,
        currency TEXT NOT NULL DEFAULT 'USD',
        counterparty TEXT,
        tx_hash TEXT,
        metadata_json TEXT,
        -- Names what it is booked for: the same is booked once.
        idempotency_key TEXT UNIQUE,
        created_at TEXT NOT NULL
      );
      CREATE INDEX transactions_newest ON transactions (created_at DESC);
      CREATE TABLE metric_snapshots (
        id TEXT PRIMARY KEY,
        metrics_json TEXT NOT NULL,
        alerts_json TEXT,
        created_at TEXT NOT NULL
      );
      CREATE INDEX metric_snapshots_newest ON metric_snapshots (created_at DESC);
    `),
}
