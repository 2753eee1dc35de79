import type { Migration } from '../migration.ts'

const usageSums = [
  'calls',
  'cached_calls',
  'tokens_in',
  'tokens_out',
  'cost',
  'uncached_cost',
  'wasted_cost',
  'density',
  'dense_calls',
  'tokens_saved',
  'estimated_calls',
  'turns',
  'model_turns',
  'exact_hits',
  'semantic_hits',
  'tool_hits',
  'misses',
]

const turnSums = [
  'turns',
  'snapshots',
  'utilization',
  'budgeted',
  'pressed',
  'prompt_weight',
  'weighed',
  'system_tokens',
  'memory_tokens',
  'history_tokens',
  'tool_tokens',
  'with_memory',
  'grades',
  'grade_sum',
  'grades_with_memory',
  'grade_sum_with_memory',
  'grades_without_memory',
  'grade_sum_without_memory',
]

/** Of rows of `inference_costs`, as it was when this was written. */
const isTurnCall = `ifnull(tier, 'cached') = 'cached'`

const kinds = { usage: 'hour, model, tier', turn: 'hour, model, level' }
const sums = { usage: usageSums, turn: turnSums }

/** Adds what the rows of a view count for to the table of the hours, or takes it away. */
function count(kind: 'usage' | 'turn', where: string, sign: '' | '-' = ''): string {
  return `INSERT INTO ${kind}_hours (${kinds[kind]}, ${sums[kind].join(', ')})
          SELECT ${kinds[kind]}, ${sums[kind].map((name) => sign + name).join(', ')} FROM ${kind}_rows WHERE ${where}
          ON CONFLICT (${kinds[kind]}) DO UPDATE SET ${sums[kind].map((name) => `${name} = ${name} + excluded.${name}`).join(', ')}`
}

function sumColumns(kind: 'usage' | 'turn'): string {
  const reals = new Set(['cost', 'uncached_cost', 'wasted_cost', 'density', 'utilization', 'prompt_weight'])
  return sums[kind].map((name) => `${name} ${reals.has(name) ? 'REAL' : 'INTEGER'} NOT NULL`).join(',\n        ')
}

/**
 * What a period used, in bounded time however many rows it has: sums of each hour, model and tier of the ledger, and of
 * each hour, model and level of turns. The two views say what one row counts for; triggers keep the sums equal to the
 * rows, in the transaction that writes or deletes them.
 */
export const statisticsMigration: Migration = {
  version: 140,
  name: 'statistics',
  up: (db) =>
    db.exec(`
      -- Of turns' calls. 0: the first of the turn; 1: the first of this model in a turn that another began; 2: a further one.
      ALTER TABLE inference_costs ADD COLUMN place INTEGER NOT NULL DEFAULT 0;
      -- \`exact\`, \`semantic\`, \`tool_ttl\`, \`miss\`; null where the cache was not asked.
      ALTER TABLE inference_costs ADD COLUMN cache_level TEXT;
      ALTER TABLE model_selection_events ADD COLUMN features_json TEXT;

      UPDATE inference_costs SET cache_level = 'exact' WHERE cached = 1;
      UPDATE inference_costs SET place = 1 + (calls.of_model > 1)
        FROM (SELECT rowid AS seq, row_number() OVER (PARTITION BY turn_id ORDER BY rowid) AS of_turn,
                row_number() OVER (PARTITION BY turn_id, model ORDER BY rowid) AS of_model
              FROM inference_costs WHERE turn_id IS NOT NULL AND ${isTurnCall}) AS calls
        WHERE calls.seq = inference_costs.rowid AND calls.of_turn > 1;

      CREATE VIEW usage_rows AS
        SELECT id, created_at, substr(created_at, 1, 13) AS hour, model, ifnull(tier, '') AS tier,
          1 AS calls, cached AS cached_calls, tokens_in, tokens_out, cost,
          iif(cached, 0, cost) AS uncached_cost,
          -- Billed, or perhaps billed, and without an answer.
          iif(cached OR quality_score IS NOT NULL, 0, cost) AS wasted_cost,
          iif(tokens_in > 0, tokens_out * 1.0 / tokens_in, 0) AS density, tokens_in > 0 AS dense_calls,
          tokens_saved, estimated AS estimated_calls, ${isTurnCall} AND place = 0 AS turns, ${isTurnCall} AND place < 2 AS model_turns,
          cache_level IS 'exact' AS exact_hits, cache_level IS 'semantic' AS semantic_hits,
          cache_level IS 'tool_ttl' AS tool_hits, cache_level IS 'miss' AS misses
        FROM inference_costs;

      CREATE VIEW turn_rows AS
        SELECT t.id, t.created_at, substr(t.created_at, 1, 13) AS hour, ifnull(t.model, '') AS model,
          ifnull(s.complexity_level, '') AS level, 1 AS turns, s.turn_id IS NOT NULL AS snapshots,
          iif(s.token_budget > 0, s.used * 1.0 / s.token_budget, 0) AS utilization,
          ifnull(s.token_budget > 0, 0) AS budgeted,
          ifnull(s.token_budget > 0 AND s.used > 0.8 * s.token_budget, 0) AS pressed,
          iif(s.used > 0, s.system_prompt_tokens * 1.0 / s.used, 0) AS prompt_weight, ifnull(s.used > 0, 0) AS weighed,
          ifnull(s.system_prompt_tokens, 0) AS system_tokens, ifnull(s.memory_tokens, 0) AS memory_tokens,
          ifnull(s.history_tokens, 0) AS history_tokens, ifnull(s.tool_definition_tokens, 0) AS tool_tokens,
          ifnull(s.memory_tokens > 0, 0) AS with_memory,
          f.grade IS NOT NULL AS grades, ifnull(f.grade, 0) AS grade_sum,
          f.grade IS NOT NULL AND s.memory_tokens IS NOT NULL AND s.memory_tokens > 0 AS grades_with_memory,
          iif(s.memory_tokens > 0, ifnull(f.grade, 0), 0) AS grade_sum_with_memory,
          f.grade IS NOT NULL AND s.memory_tokens IS NOT NULL AND s.memory_tokens = 0 AS grades_without_memory,
          iif(s.memory_tokens = 0, ifnull(f.grade, 0), 0) AS grade_sum_without_memory
        FROM turns t
          LEFT JOIN (SELECT *, system_prompt_tokens + memory_tokens + history_tokens + tool_definition_tokens AS used
                     FROM context_snapshots) s ON s.turn_id = t.id
          LEFT JOIN turn_feedback f ON f.turn_id = t.id
        WHERE t.status <> 'running';

      CREATE TABLE usage_hours (
        hour TEXT NOT NULL,
        model TEXT NOT NULL,
        tier TEXT NOT NULL,
        ${sumColumns('usage')},
        PRIMARY KEY (hour, model, tier)
      ) WITHOUT ROWID;
      CREATE TABLE turn_hours (
        hour TEXT NOT NULL,
        model TEXT NOT NULL,
        level TEXT NOT NULL,
        ${sumColumns('turn')},
        PRIMARY KEY (hour, model, level)
      ) WITHOUT ROWID;
      ${count('usage', 'true')};
      ${count('turn', 'true')};

      CREATE TRIGGER inference_costs_counted AFTER INSERT ON inference_costs BEGIN
        UPDATE inference_costs SET place = 1 + (SELECT max(model = new.model) FROM inference_costs
            WHERE turn_id = new.turn_id AND ${isTurnCall} AND rowid < new.rowid)
          WHERE rowid = new.rowid AND ${isTurnCall}
            AND EXISTS (SELECT 1 FROM inference_costs WHERE turn_id = new.turn_id AND ${isTurnCall} AND rowid < new.rowid);
        ${count('usage', 'id = new.id')};
      END;
      CREATE TRIGGER inference_costs_uncounted BEFORE DELETE ON inference_costs BEGIN
        ${count('usage', 'id = old.id', '-')};
        DELETE FROM usage_hours WHERE hour = substr(old.created_at, 1, 13) AND model = old.model
          AND tier = ifnull(old.tier, '') AND calls = 0;
      END;
      CREATE TRIGGER turns_counted_at_end AFTER UPDATE OF status ON turns
        WHEN old.status = 'running' AND new.status <> 'running' BEGIN
        ${count('turn', 'id = new.id')};
      END;
      CREATE TRIGGER turns_counted AFTER INSERT ON turns WHEN new.status <> 'running' BEGIN
        ${count('turn', 'id = new.id')};
      END;
      CREATE TRIGGER turns_uncounted BEFORE DELETE ON turns WHEN old.status <> 'running' BEGIN
        ${count('turn', 'id = old.id', '-')};
        DELETE FROM turn_hours WHERE hour = substr(old.created_at, 1, 13) AND model = ifnull(old.model, '') AND turns = 0;
      END;
      ${gradeTrigger('turn_feedback_counted AFTER INSERT', 'new', '1', 'new.grade')}
      ${gradeTrigger('turn_feedback_recounted AFTER UPDATE OF grade', 'new', '0', '(new.grade - old.grade)')}
      ${gradeTrigger('turn_feedback_uncounted AFTER DELETE', 'old', '-1', '-old.grade')}

      CREATE INDEX turns_by_creation ON turns (created_at);
      CREATE INDEX turns_failed ON turns (created_at) WHERE status = 'error';
      CREATE INDEX tool_calls_by_creation ON tool_calls (created_at, status, duration_ms);
      CREATE INDEX model_selections_by_session ON model_selection_events (session_id, created_at);
      CREATE INDEX model_selections_by_model ON model_selection_events (selected_model, created_at);
    `),
}

/** A grade of a turn that is over changes the sums of its hour; that of a running one is counted when the turn ends. */
function gradeTrigger(event: string, row: 'new' | 'old', grades: string, sum: string): string {
  const turn = `(SELECT snapshots, with_memory, hour, model, level FROM turn_rows WHERE id = ${row}.turn_id)`
  return `CREATE TRIGGER ${event} ON turn_feedback BEGIN
        UPDATE turn_hours SET grades = grades + ${grades}, grade_sum = grade_sum + ${sum},
          grades_with_memory = grades_with_memory + ${grades} * turn.with_memory,
          grade_sum_with_memory = grade_sum_with_memory + ${sum} * turn.with_memory,
          grades_without_memory = grades_without_memory + ${grades} * (turn.snapshots AND NOT turn.with_memory),
          grade_sum_without_memory = grade_sum_without_memory + ${sum} * (turn.snapshots AND NOT turn.with_memory)
          FROM ${turn} AS turn
          WHERE turn_hours.hour = turn.hour AND turn_hours.model = turn.model AND turn_hours.level = turn.level;
      END;`
}
