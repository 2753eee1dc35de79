import type { Migration } from '../migration.ts'

export const budgetsMigration: Migration = {
  version: 150,
  name: 'budgets',
  up: (db) =>
    db.exec(`
      -- Whose account a call went on.
      ALTER TABLE inference_costs ADD COLUMN session_id TEXT;
      ALTER TABLE inference_costs ADD COLUMN job_id TEXT;
      ALTER TABLE inference_costs ADD COLUMN subagent_id TEXT;
      ALTER TABLE inference_costs ADD COLUMN api_key TEXT;

      -- Sums of the calls' costs, in billionths of a dollar: whole numbers that can be added and taken off for ever.
      CREATE TABLE budget_accounts (
        scope TEXT NOT NULL CHECK (scope IN ('day', 'session', 'job', 'subagent', 'api_key')),
        key TEXT NOT NULL,
        -- The UTC day; empty for what counts without end.
        period TEXT NOT NULL,
        cost INTEGER NOT NULL DEFAULT 0,
        tokens INTEGER NOT NULL DEFAULT 0,
        -- Set aside for calls under way.
        reserved_cost INTEGER NOT NULL DEFAULT 0,
        reserved_tokens INTEGER NOT NULL DEFAULT 0,
        -- The worst case of calls whose end nobody saw.
        unsettled_cost INTEGER NOT NULL DEFAULT 0,
        unsettled_tokens INTEGER NOT NULL DEFAULT 0,
        -- When its lines were first met.
        soft_at TEXT,
        hard_at TEXT,
        opened_at TEXT NOT NULL,
        PRIMARY KEY (scope, key, period)
      ) WITHOUT ROWID;
      CREATE INDEX budget_accounts_by_opening ON budget_accounts (scope, opened_at);

      CREATE TABLE budget_reservations (
        id TEXT PRIMARY KEY,
        -- The inference process that makes the call.
        holder TEXT NOT NULL,
        model TEXT NOT NULL,
        session_id TEXT,
        job_id TEXT,
        subagent_id TEXT,
        api_key TEXT,
        -- The UTC day in which it counts.
        day TEXT NOT NULL,
        cost INTEGER NOT NULL,
        tokens INTEGER NOT NULL,
        created_at TEXT NOT NULL,
        -- When its process was found dead; what it really cost may still be told.
        unsettled_at TEXT
      ) WITHOUT ROWID;
      CREATE INDEX budget_reservations_open ON budget_reservations (holder) WHERE unsettled_at IS NULL;
      CREATE INDEX budget_reservations_unsettled ON budget_reservations (unsettled_at) WHERE unsettled_at IS NOT NULL;

      -- What earlier builds have spent today, and in each session.
      INSERT INTO budget_accounts (scope, key, period, cost, tokens, opened_at)
        SELECT 'day', '', substr(created_at, 1, 10), sum(CAST(round(cost * 1e9) AS INTEGER)),
          sum(tokens_in + tokens_out), min(created_at)
        FROM inference_costs WHERE created_at >= strftime('%Y-%m-%d', 'now') AND cached = 0
        GROUP BY substr(created_at, 1, 10);
      INSERT INTO budget_accounts (scope, key, period, cost, tokens, opened_at)
        SELECT 'session', turns.session_id, '', sum(CAST(round(inference_costs.cost * 1e9) AS INTEGER)),
          sum(inference_costs.tokens_in + inference_costs.tokens_out), min(inference_costs.created_at)
        FROM inference_costs JOIN turns ON turns.id = inference_costs.turn_id
        WHERE inference_costs.cached = 0 GROUP BY turns.session_id;
    `),
}
