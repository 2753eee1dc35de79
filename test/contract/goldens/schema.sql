-- index analyses_by_creation
CREATE INDEX analyses_by_creation ON analyses (created_at);

-- index analyses_by_session
CREATE INDEX analyses_by_session ON analyses (session_id) WHERE session_id IS NOT NULL;

-- index analyses_by_turn
CREATE INDEX analyses_by_turn ON analyses (turn_id) WHERE turn_id IS NOT NULL;

-- index approval_grants_by_subject
CREATE UNIQUE INDEX approval_grants_by_subject ON approval_grants (subject, ifnull(session_id, ''), authority);

-- index approval_requests_pending
CREATE INDEX approval_requests_pending ON approval_requests (timeout_at) WHERE status = 'pending';

-- index budget_accounts_by_opening
CREATE INDEX budget_accounts_by_opening ON budget_accounts (scope, opened_at);

-- index budget_reservations_open
CREATE INDEX budget_reservations_open ON budget_reservations (holder) WHERE unsettled_at IS NULL;

-- index budget_reservations_unsettled
CREATE INDEX budget_reservations_unsettled ON budget_reservations (unsettled_at) WHERE unsettled_at IS NOT NULL;

-- index channel_inbox_by_age
CREATE INDEX channel_inbox_by_age ON channel_inbox (handled_at) WHERE state = 'done';

-- index channel_inbox_by_chat
CREATE INDEX channel_inbox_by_chat ON channel_inbox (channel, chat_id, seq);

-- index channel_inbox_by_sender
CREATE INDEX channel_inbox_by_sender ON channel_inbox (channel, sender_id, seq);

-- index channel_inbox_by_turn
CREATE INDEX channel_inbox_by_turn ON channel_inbox (turn_id) WHERE turn_id IS NOT NULL;

-- index channel_inbox_new
CREATE INDEX channel_inbox_new ON channel_inbox (channel, chat_id, thread_id, seq) WHERE state = 'new';

-- index channel_inbox_strangers
CREATE INDEX channel_inbox_strangers ON channel_inbox (handled_at) WHERE reason = 'stranger';

-- index channel_inbox_working
CREATE INDEX channel_inbox_working ON channel_inbox (channel, seq) WHERE state = 'working';

-- index channel_outbox_dead
CREATE INDEX channel_outbox_dead ON channel_outbox (seq DESC) WHERE status = 'dead_letter';

-- index channel_outbox_done
CREATE INDEX channel_outbox_done ON channel_outbox (delivered_at) WHERE status IN ('delivered', 'discarded');

-- index channel_outbox_open
CREATE INDEX channel_outbox_open ON channel_outbox (channel, chat_id, thread_id, seq)
  WHERE status IN ('pending', 'in_flight');

-- index channel_webhooks_by_channel
CREATE INDEX channel_webhooks_by_channel ON channel_webhooks (channel, seq);

-- index cron_jobs_by_maker
CREATE INDEX cron_jobs_by_maker ON cron_jobs (created_by);

-- index cron_jobs_by_name
CREATE INDEX cron_jobs_by_name ON cron_jobs (name, id);

-- index cron_jobs_due
CREATE INDEX cron_jobs_due ON cron_jobs (next_run_at) WHERE enabled = 1 AND next_run_at IS NOT NULL;

-- index cron_runs_active
CREATE INDEX cron_runs_active ON cron_runs (job_id, status) WHERE status IN ('waiting', 'running');

-- index cron_runs_leased
CREATE INDEX cron_runs_leased ON cron_runs (lease_expires_at) WHERE status = 'running';

-- index cron_runs_newest
CREATE INDEX cron_runs_newest ON cron_runs (created_at DESC);

-- index cron_runs_of_day
CREATE INDEX cron_runs_of_day ON cron_runs (scheduled_for);

-- index cron_runs_of_job
CREATE INDEX cron_runs_of_job ON cron_runs (job_id, created_at DESC);

-- index cron_runs_once
CREATE UNIQUE INDEX cron_runs_once ON cron_runs (job_id, scheduled_for) WHERE trigger <> 'manual';

-- index cron_runs_put_off
CREATE INDEX cron_runs_put_off ON cron_runs (not_before) WHERE status = 'waiting' AND not_before IS NOT NULL;

-- index cron_runs_waiting
CREATE INDEX cron_runs_waiting ON cron_runs (scheduled_for) WHERE status = 'waiting';

-- index inference_costs_by_creation
CREATE INDEX inference_costs_by_creation ON inference_costs (created_at);

-- index inference_costs_by_turn
CREATE INDEX inference_costs_by_turn ON inference_costs (turn_id) WHERE turn_id IS NOT NULL;

-- index memories_best_known
CREATE INDEX memories_best_known ON memories (confidence DESC, updated_at DESC)
  WHERE tier = 'semantic' AND state = 'active';

-- index memories_by_confidence
CREATE INDEX memories_by_confidence ON memories (tier, state, category, confidence DESC, updated_at DESC);

-- index memories_by_importance
CREATE INDEX memories_by_importance ON memories (tier, state, importance DESC, created_at DESC);

-- index memories_by_scope
CREATE INDEX memories_by_scope ON memories (agent_id, scope_key, seq);

-- index memories_by_session
CREATE INDEX memories_by_session ON memories (session_id, seq) WHERE session_id IS NOT NULL;

-- index memories_by_turn
CREATE INDEX memories_by_turn ON memories (turn_id) WHERE turn_id IS NOT NULL;

-- index memories_one_value
CREATE UNIQUE INDEX memories_one_value ON memories (agent_id, scope_key, tier, category, key)
  WHERE state = 'active' AND key IS NOT NULL;

-- index memories_superseded
CREATE INDEX memories_superseded ON memories (superseded_by) WHERE superseded_by IS NOT NULL;

-- index memory_ingest_due
CREATE INDEX memory_ingest_due ON memory_ingest (not_before, created_at);

-- index metric_snapshots_newest
CREATE INDEX metric_snapshots_newest ON metric_snapshots (created_at DESC);

-- index model_selections_by_creation
CREATE INDEX model_selections_by_creation ON model_selection_events (created_at);

-- index model_selections_by_model
CREATE INDEX model_selections_by_model ON model_selection_events (selected_model, created_at);

-- index model_selections_by_session
CREATE INDEX model_selections_by_session ON model_selection_events (session_id, created_at);

-- index model_selections_by_turn
CREATE INDEX model_selections_by_turn ON model_selection_events (turn_id);

-- index policy_decisions_by_turn
CREATE INDEX policy_decisions_by_turn ON policy_decisions (turn_id);

-- index replays_by_creation
CREATE INDEX replays_by_creation ON replays (created_at);

-- index replays_by_turn
CREATE INDEX replays_by_turn ON replays (turn_id, created_at);

-- index semantic_cache_by_expiry
CREATE INDEX semantic_cache_by_expiry ON semantic_cache (expires_at);

-- index session_messages_by_session
CREATE INDEX session_messages_by_session ON session_messages (session_id);

-- index sessions_by_creation
CREATE INDEX sessions_by_creation ON sessions (created_at);

-- index sessions_by_status
CREATE INDEX sessions_by_status ON sessions (status, updated_at);

-- index sessions_one_active
CREATE UNIQUE INDEX sessions_one_active ON sessions (agent_id, scope_key) WHERE status = 'active';

-- index tool_calls_by_approval
CREATE INDEX tool_calls_by_approval ON tool_calls (approval_id) WHERE approval_id IS NOT NULL;

-- index tool_calls_by_creation
CREATE INDEX tool_calls_by_creation ON tool_calls (created_at, status, duration_ms);

-- index transactions_newest
CREATE INDEX transactions_newest ON transactions (created_at DESC);

-- index turn_feedback_by_session
CREATE INDEX turn_feedback_by_session ON turn_feedback (session_id);

-- index turns_by_creation
CREATE INDEX turns_by_creation ON turns (created_at);

-- index turns_by_session
CREATE INDEX turns_by_session ON turns (session_id);

-- index turns_failed
CREATE INDEX turns_failed ON turns (created_at) WHERE status = 'error';

-- index turns_running
CREATE INDEX turns_running ON turns (status) WHERE status = 'running';

-- table analyses
CREATE TABLE analyses (
  kind TEXT NOT NULL CHECK (kind IN ('turn', 'session', 'recommendations')),
  -- The id of the turn or session, or the period.
  subject_id TEXT NOT NULL,
  -- It goes with what it is about.
  turn_id TEXT REFERENCES turns (id) ON DELETE CASCADE,
  session_id TEXT REFERENCES sessions (id) ON DELETE CASCADE,
  model TEXT NOT NULL,
  -- What the model answered, as its schema has it.
  result_json TEXT NOT NULL,
  -- What the subject was like; it has changed since where this differs.
  basis TEXT NOT NULL,
  tokens_in INTEGER NOT NULL,
  tokens_out INTEGER NOT NULL,
  cost REAL NOT NULL,
  created_at TEXT NOT NULL,
  PRIMARY KEY (kind, subject_id)
  ) WITHOUT ROWID;

-- table approval_grants
CREATE TABLE approval_grants (
  id TEXT PRIMARY KEY,
  subject TEXT NOT NULL,
  session_id TEXT REFERENCES sessions (id) ON DELETE CASCADE,
  approval_id TEXT NOT NULL,
  tool_name TEXT NOT NULL,
  tool_input TEXT NOT NULL,
  decided_by TEXT NOT NULL,
  created_at TEXT NOT NULL
  , authority TEXT NOT NULL DEFAULT 'Creator');

-- table approval_requests
CREATE TABLE approval_requests (
  id TEXT PRIMARY KEY,
  tool_name TEXT NOT NULL,
  tool_version TEXT NOT NULL,
  tool_input TEXT NOT NULL,
  subject TEXT NOT NULL,
  turn_id TEXT REFERENCES turns (id) ON DELETE CASCADE,
  seq INTEGER,
  session_id TEXT,
  agent_id TEXT,
  channel TEXT NOT NULL,
  requested_authority TEXT NOT NULL,
  risk_level TEXT NOT NULL,
  policy_rule TEXT NOT NULL,
  policy_reason TEXT,
  status TEXT NOT NULL CHECK (status IN ('pending', 'approved', 'denied', 'timed_out')),
  scope TEXT CHECK (scope IN ('once', 'session', 'always')),
  decided_by TEXT,
  decided_at TEXT,
  reason TEXT,
  used_at TEXT,
  timeout_at TEXT NOT NULL,
  created_at TEXT NOT NULL,
  UNIQUE (turn_id, seq)
  );

-- table breakers
CREATE TABLE breakers (
  provider TEXT PRIMARY KEY,
  breaker_json TEXT NOT NULL,
  updated_at TEXT NOT NULL
  );

-- table budget_accounts
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

-- table budget_reservations
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

-- table channel_cursors
CREATE TABLE channel_cursors (channel TEXT PRIMARY KEY, cursor TEXT, updated_at TEXT NOT NULL);

-- table channel_inbox
CREATE TABLE channel_inbox (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  channel TEXT NOT NULL,
  external_id TEXT NOT NULL,
  chat_id TEXT NOT NULL,
  thread_id TEXT,
  sender_id TEXT NOT NULL,
  update_json TEXT NOT NULL,
  -- new: to be handled; working: its turn is under way; done: what it asked for is in the outbox, or was nothing.
  state TEXT NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'working', 'done')),
  -- Why nothing came of it.
  reason TEXT,
  attempts INTEGER NOT NULL DEFAULT 0,
  not_before TEXT NOT NULL,
  turn_id TEXT,
  session_id TEXT,
  -- The message in which the answer is shown while it is written.
  draft_message_id TEXT,
  created_at TEXT NOT NULL,
  handled_at TEXT,
  UNIQUE (channel, external_id)
  );

-- table channel_outbox
CREATE TABLE channel_outbox (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  channel TEXT NOT NULL,
  chat_id TEXT NOT NULL,
  thread_id TEXT,
  -- Names what it is for: the same is sent once.
  idempotency_key TEXT NOT NULL UNIQUE,
  content TEXT NOT NULL,
  subject TEXT,
  reply_to TEXT,
  replaces TEXT,
  attachments_json TEXT NOT NULL DEFAULT '[]',
  buttons_json TEXT NOT NULL DEFAULT '[]',
  status TEXT NOT NULL DEFAULT 'pending'
  CHECK (status IN ('pending', 'in_flight', 'delivered', 'dead_letter', 'discarded')),
  attempts INTEGER NOT NULL DEFAULT 0,
  max_attempts INTEGER NOT NULL DEFAULT 5,
  next_retry_at TEXT NOT NULL,
  parts_sent INTEGER NOT NULL DEFAULT 0,
  -- The platform's ids of the parts, JSON.
  message_ids_json TEXT NOT NULL DEFAULT '[]',
  last_error TEXT,
  error_code TEXT,
  session_id TEXT,
  turn_id TEXT,
  created_at TEXT NOT NULL,
  delivered_at TEXT
  );

-- table channel_peers
CREATE TABLE channel_peers (
  id TEXT PRIMARY KEY,
  channel TEXT NOT NULL,
  sender_id TEXT NOT NULL,
  sender_name TEXT,
  chat_id TEXT NOT NULL,
  authority TEXT NOT NULL,
  paired_at TEXT NOT NULL,
  UNIQUE (channel, sender_id)
  );

-- table channel_webhooks
CREATE TABLE channel_webhooks (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  channel TEXT NOT NULL,
  body TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  not_before TEXT NOT NULL,
  last_error TEXT,
  created_at TEXT NOT NULL
  );

-- table context_snapshots
CREATE TABLE context_snapshots (
  turn_id TEXT PRIMARY KEY REFERENCES turns (id) ON DELETE CASCADE,
  complexity_level TEXT NOT NULL CHECK (complexity_level IN ('L0', 'L1', 'L2', 'L3')),
  complexity_score REAL NOT NULL,
  token_budget INTEGER NOT NULL,
  system_prompt_tokens INTEGER NOT NULL,
  memory_tokens INTEGER NOT NULL,
  history_tokens INTEGER NOT NULL,
  history_depth INTEGER NOT NULL,
  tool_definition_tokens INTEGER NOT NULL,
  dropped_history INTEGER NOT NULL,
  created_at TEXT NOT NULL
  );

-- table cron_jobs
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

-- table cron_runs
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

-- table embeddings
CREATE TABLE embeddings (
  seq INTEGER PRIMARY KEY REFERENCES memories (seq) ON DELETE CASCADE,
  model TEXT NOT NULL,
  dimensions INTEGER NOT NULL,
  embedding BLOB NOT NULL,
  created_at TEXT NOT NULL
  );

-- table event_sequence
CREATE TABLE event_sequence (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  epoch TEXT NOT NULL,
  reserved INTEGER NOT NULL
  );

-- table events
CREATE TABLE events (
  seq INTEGER PRIMARY KEY,
  type TEXT NOT NULL,
  event_json TEXT NOT NULL
  );

-- table identity
CREATE TABLE identity (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
  );

-- table inference_costs
CREATE TABLE inference_costs (
  id TEXT PRIMARY KEY,
  model TEXT NOT NULL,
  provider TEXT NOT NULL,
  tokens_in INTEGER NOT NULL,
  tokens_out INTEGER NOT NULL,
  cost REAL NOT NULL,
  tier TEXT,
  cached INTEGER NOT NULL DEFAULT 0,
  latency_ms INTEGER,
  quality_score REAL,
  escalation INTEGER NOT NULL DEFAULT 0,
  estimated INTEGER NOT NULL DEFAULT 0,
  tokens_saved INTEGER NOT NULL DEFAULT 0,
  turn_id TEXT,
  created_at TEXT NOT NULL
  , place INTEGER NOT NULL DEFAULT 0, cache_level TEXT, session_id TEXT, job_id TEXT, subagent_id TEXT, api_key TEXT);

-- table memories
CREATE TABLE memories (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  tier TEXT NOT NULL CHECK (tier IN ('working', 'episodic', 'semantic', 'procedural', 'relationship')),
  category TEXT NOT NULL,
  key TEXT,
  name TEXT,
  content TEXT NOT NULL,
  search_terms TEXT NOT NULL DEFAULT '',
  importance INTEGER NOT NULL DEFAULT 5 CHECK (importance BETWEEN 1 AND 10),
  confidence REAL NOT NULL DEFAULT 1 CHECK (confidence BETWEEN 0 AND 1),
  mentions INTEGER NOT NULL DEFAULT 1,
  successes INTEGER NOT NULL DEFAULT 0,
  failures INTEGER NOT NULL DEFAULT 0,
  state TEXT NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'superseded', 'dropped')),
  state_reason TEXT,
  superseded_by TEXT,
  agent_id TEXT NOT NULL,
  scope_key TEXT NOT NULL,
  session_id TEXT,
  turn_id TEXT,
  message_id TEXT,
  source TEXT NOT NULL CHECK (source IN ('user', 'agent', 'tool', 'peer', 'stranger', 'import', 'keel')),
  trusted INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
  );

-- table memory_fts
CREATE VIRTUAL TABLE memory_fts USING fts5(
  content, category, key, name, search_terms,
  content = 'memories', content_rowid = 'seq', tokenize = 'porter unicode61 remove_diacritics 2'
  );

-- table memory_fts_config
CREATE TABLE 'memory_fts_config'(k PRIMARY KEY, v) WITHOUT ROWID;

-- table memory_fts_data
CREATE TABLE 'memory_fts_data'(id INTEGER PRIMARY KEY, block BLOB);

-- table memory_fts_docsize
CREATE TABLE 'memory_fts_docsize'(id INTEGER PRIMARY KEY, sz BLOB);

-- table memory_fts_idx
CREATE TABLE 'memory_fts_idx'(segid, term, pgno, PRIMARY KEY(segid, term)) WITHOUT ROWID;

-- table memory_ingest
CREATE TABLE memory_ingest (
  turn_id TEXT PRIMARY KEY REFERENCES turns (id) ON DELETE CASCADE,
  attempts INTEGER NOT NULL DEFAULT 0,
  not_before TEXT NOT NULL,
  last_error TEXT,
  created_at TEXT NOT NULL
  );

-- table memory_terms
CREATE VIRTUAL TABLE memory_terms USING fts5vocab('memory_fts', 'row');

-- table metric_snapshots
CREATE TABLE metric_snapshots (
  id TEXT PRIMARY KEY,
  metrics_json TEXT NOT NULL,
  alerts_json TEXT,
  created_at TEXT NOT NULL
  );

-- table model_selection_events
CREATE TABLE model_selection_events (
  id TEXT PRIMARY KEY,
  turn_id TEXT NOT NULL,
  session_id TEXT NOT NULL,
  agent_id TEXT NOT NULL,
  channel TEXT NOT NULL,
  selected_model TEXT NOT NULL,
  executed_model TEXT,
  strategy TEXT NOT NULL,
  primary_model TEXT NOT NULL,
  override_model TEXT,
  complexity TEXT,
  user_excerpt TEXT NOT NULL,
  candidates_json TEXT NOT NULL,
  metascore_json TEXT,
  created_at TEXT NOT NULL
  , features_json TEXT);

-- table pairing_codes
CREATE TABLE pairing_codes (
  -- A digest: the code itself is shown once and kept nowhere.
  code_hash TEXT PRIMARY KEY,
  channel TEXT NOT NULL,
  authority TEXT NOT NULL,
  expires_at TEXT NOT NULL,
  created_at TEXT NOT NULL
  );

-- table plugin_values
CREATE TABLE plugin_values (
  plugin TEXT NOT NULL REFERENCES plugins (name) ON DELETE CASCADE,
  key TEXT NOT NULL,
  value_json TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  updated_at TEXT NOT NULL,
  PRIMARY KEY (plugin, key)
  ) WITHOUT ROWID;

-- table plugins
CREATE TABLE plugins (
  name TEXT PRIMARY KEY,
  version TEXT NOT NULL,
  enabled INTEGER,
  granted_json TEXT NOT NULL DEFAULT '[]',
  settings_json TEXT NOT NULL DEFAULT '{}',
  disabled_reason TEXT,
  installed_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
  );

-- table policy_decisions
CREATE TABLE policy_decisions (
  id TEXT PRIMARY KEY,
  turn_id TEXT,
  tool_name TEXT NOT NULL,
  decision TEXT NOT NULL CHECK (decision IN ('allow', 'deny', 'gate')),
  rule_name TEXT,
  reason TEXT,
  authority TEXT,
  risk_level TEXT,
  context_json TEXT NOT NULL,
  created_at TEXT NOT NULL
  , approval_id TEXT);

-- table recommendation_dismissals
CREATE TABLE recommendation_dismissals (
  id TEXT PRIMARY KEY,
  dismissed_at TEXT NOT NULL
  ) WITHOUT ROWID;

-- table replays
CREATE TABLE replays (
  id TEXT PRIMARY KEY,
  turn_id TEXT NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
  -- What was to be different, JSON.
  changes_json TEXT NOT NULL,
  -- What came of it, JSON: the answer and its steps, without secrets.
  result_json TEXT NOT NULL,
  notes_json TEXT NOT NULL DEFAULT '[]',
  status TEXT NOT NULL,
  model TEXT,
  tokens_in INTEGER NOT NULL,
  tokens_out INTEGER NOT NULL,
  cost REAL NOT NULL,
  latency_ms INTEGER NOT NULL,
  created_at TEXT NOT NULL
  );

-- table retention_marks
CREATE TABLE retention_marks (kind TEXT PRIMARY KEY, upto INTEGER NOT NULL) WITHOUT ROWID;

-- table retention_runs
CREATE TABLE retention_runs (
  id TEXT PRIMARY KEY,
  started_by TEXT NOT NULL CHECK (started_by IN ('housekeeping', 'job', 'operator')),
  started_at TEXT NOT NULL,
  duration_ms INTEGER NOT NULL,
  -- How many of each kind went.
  removed_json TEXT NOT NULL,
  freed_bytes INTEGER NOT NULL,
  file_bytes INTEGER NOT NULL,
  error TEXT
  );

-- table schema_version
CREATE TABLE schema_version (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at TEXT NOT NULL);

-- table secrets
CREATE TABLE secrets (
  name TEXT PRIMARY KEY,
  sealed BLOB NOT NULL,
  updated_at TEXT NOT NULL
  );

-- table semantic_cache
CREATE TABLE semantic_cache (
  key TEXT PRIMARY KEY,
  scope TEXT NOT NULL,
  result_json TEXT NOT NULL,
  embedding BLOB,
  hit_count INTEGER NOT NULL DEFAULT 0,
  created_at TEXT NOT NULL,
  expires_at TEXT NOT NULL
  );

-- table session_messages
CREATE TABLE session_messages (
  id TEXT PRIMARY KEY,
  session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
  parent_id TEXT,
  role TEXT NOT NULL CHECK (role IN ('user', 'assistant', 'system', 'tool')),
  content TEXT NOT NULL,
  usage_json TEXT,
  turn_id TEXT,
  created_at TEXT NOT NULL
  );

-- table sessions
CREATE TABLE sessions (
  id TEXT PRIMARY KEY,
  agent_id TEXT NOT NULL,
  scope_key TEXT NOT NULL DEFAULT 'agent',
  status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'archived', 'expired')),
  model TEXT,
  nickname TEXT,
  nickname_source TEXT CHECK (nickname_source IN ('heuristic', 'model', 'user')),
  metadata TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  closed_at TEXT
  );

-- table skills
CREATE TABLE skills (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL CHECK (kind IN ('structured', 'instruction', 'scripted', 'builtin')),
  description TEXT,
  source_path TEXT NOT NULL,
  content_hash TEXT NOT NULL,
  triggers_json TEXT,
  tool_chain_json TEXT,
  policy_overrides_json TEXT,
  script_path TEXT,
  risk_level TEXT NOT NULL DEFAULT 'Caution' CHECK (risk_level IN ('Safe', 'Caution', 'Dangerous', 'Forbidden')),
  enabled INTEGER NOT NULL DEFAULT 1,
  version TEXT NOT NULL DEFAULT '0.0.0',
  author TEXT NOT NULL DEFAULT 'local',
  registry_source TEXT NOT NULL DEFAULT 'local',
  trusted_hash TEXT,
  last_loaded_at TEXT,
  created_at TEXT NOT NULL
  );

-- table tool_calls
CREATE TABLE "tool_calls" (
  id TEXT PRIMARY KEY,
  turn_id TEXT REFERENCES turns (id) ON DELETE CASCADE,
  seq INTEGER,
  tool_name TEXT NOT NULL,
  input TEXT NOT NULL,
  output TEXT,
  plugin TEXT,
  skill_id TEXT,
  skill_name TEXT,
  skill_hash TEXT,
  approval_id TEXT,
  channel TEXT,
  status TEXT NOT NULL,
  duration_ms INTEGER,
  created_at TEXT NOT NULL,
  UNIQUE (turn_id, seq)
  );

-- table transactions
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

-- table turn_feedback
CREATE TABLE turn_feedback (
  id TEXT PRIMARY KEY,
  turn_id TEXT NOT NULL UNIQUE REFERENCES turns (id) ON DELETE CASCADE,
  session_id TEXT NOT NULL,
  grade INTEGER NOT NULL CHECK (grade BETWEEN 1 AND 5),
  source TEXT NOT NULL DEFAULT 'dashboard',
  comment TEXT,
  created_at TEXT NOT NULL
  );

-- table turn_hours
CREATE TABLE turn_hours (
  hour TEXT NOT NULL,
  model TEXT NOT NULL,
  level TEXT NOT NULL,
  turns INTEGER NOT NULL,
  snapshots INTEGER NOT NULL,
  utilization REAL NOT NULL,
  budgeted INTEGER NOT NULL,
  pressed INTEGER NOT NULL,
  prompt_weight REAL NOT NULL,
  weighed INTEGER NOT NULL,
  system_tokens INTEGER NOT NULL,
  memory_tokens INTEGER NOT NULL,
  history_tokens INTEGER NOT NULL,
  tool_tokens INTEGER NOT NULL,
  with_memory INTEGER NOT NULL,
  grades INTEGER NOT NULL,
  grade_sum INTEGER NOT NULL,
  grades_with_memory INTEGER NOT NULL,
  grade_sum_with_memory INTEGER NOT NULL,
  grades_without_memory INTEGER NOT NULL,
  grade_sum_without_memory INTEGER NOT NULL,
  PRIMARY KEY (hour, model, level)
  ) WITHOUT ROWID;

-- table turn_steps
CREATE TABLE turn_steps (
  turn_id TEXT NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
  seq INTEGER NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('context', 'inference', 'tool')),
  status TEXT NOT NULL CHECK (status IN ('started', 'done')),
  attempt INTEGER NOT NULL,
  step_json TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  PRIMARY KEY (turn_id, seq)
  ) WITHOUT ROWID;

-- table turns
CREATE TABLE turns (
  id TEXT PRIMARY KEY,
  session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
  user_message_id TEXT,
  assistant_message_id TEXT,
  status TEXT NOT NULL CHECK (status IN ('running', 'ok', 'error', 'blocked', 'limit', 'interrupted', 'appended')),
  attempt INTEGER NOT NULL DEFAULT 0,
  request_json TEXT NOT NULL,
  thinking TEXT,
  tokens_in INTEGER,
  tokens_out INTEGER,
  cost REAL,
  model TEXT,
  latency_ms INTEGER,
  cached INTEGER NOT NULL DEFAULT 0,
  react_turns INTEGER NOT NULL DEFAULT 0,
  error TEXT,
  created_at TEXT NOT NULL
  , trace_id TEXT);

-- table usage_hours
CREATE TABLE usage_hours (
  hour TEXT NOT NULL,
  model TEXT NOT NULL,
  tier TEXT NOT NULL,
  calls INTEGER NOT NULL,
  cached_calls INTEGER NOT NULL,
  tokens_in INTEGER NOT NULL,
  tokens_out INTEGER NOT NULL,
  cost REAL NOT NULL,
  uncached_cost REAL NOT NULL,
  wasted_cost REAL NOT NULL,
  density REAL NOT NULL,
  dense_calls INTEGER NOT NULL,
  tokens_saved INTEGER NOT NULL,
  estimated_calls INTEGER NOT NULL,
  turns INTEGER NOT NULL,
  model_turns INTEGER NOT NULL,
  exact_hits INTEGER NOT NULL,
  semantic_hits INTEGER NOT NULL,
  tool_hits INTEGER NOT NULL,
  misses INTEGER NOT NULL,
  PRIMARY KEY (hour, model, tier)
  ) WITHOUT ROWID;

-- trigger embeddings_outdated
CREATE TRIGGER embeddings_outdated AFTER UPDATE OF content ON memories WHEN old.content IS NOT new.content BEGIN
  DELETE FROM embeddings WHERE seq = old.seq;
  END;

-- trigger inference_costs_counted
CREATE TRIGGER inference_costs_counted AFTER INSERT ON inference_costs BEGIN
  UPDATE inference_costs SET place = 1 + (SELECT max(model = new.model) FROM inference_costs
  WHERE turn_id = new.turn_id AND ifnull(tier, 'cached') = 'cached' AND rowid < new.rowid)
  WHERE rowid = new.rowid AND ifnull(tier, 'cached') = 'cached'
  AND EXISTS (SELECT 1 FROM inference_costs WHERE turn_id = new.turn_id AND ifnull(tier, 'cached') = 'cached' AND rowid < new.rowid);
  INSERT INTO usage_hours (hour, model, tier, calls, cached_calls, tokens_in, tokens_out, cost, uncached_cost, wasted_cost, density, dense_calls, tokens_saved, estimated_calls, turns, model_turns, exact_hits, semantic_hits, tool_hits, misses)
  SELECT hour, model, tier, calls, cached_calls, tokens_in, tokens_out, cost, uncached_cost, wasted_cost, density, dense_calls, tokens_saved, estimated_calls, turns, model_turns, exact_hits, semantic_hits, tool_hits, misses FROM usage_rows WHERE id = new.id
  ON CONFLICT (hour, model, tier) DO UPDATE SET calls = calls + excluded.calls, cached_calls = cached_calls + excluded.cached_calls, tokens_in = tokens_in + excluded.tokens_in, tokens_out = tokens_out + excluded.tokens_out, cost = cost + excluded.cost, uncached_cost = uncached_cost + excluded.uncached_cost, wasted_cost = wasted_cost + excluded.wasted_cost, density = density + excluded.density, dense_calls = dense_calls + excluded.dense_calls, tokens_saved = tokens_saved + excluded.tokens_saved, estimated_calls = estimated_calls + excluded.estimated_calls, turns = turns + excluded.turns, model_turns = model_turns + excluded.model_turns, exact_hits = exact_hits + excluded.exact_hits, semantic_hits = semantic_hits + excluded.semantic_hits, tool_hits = tool_hits + excluded.tool_hits, misses = misses + excluded.misses;
  END;

-- trigger inference_costs_uncounted
CREATE TRIGGER inference_costs_uncounted BEFORE DELETE ON inference_costs BEGIN
  INSERT INTO usage_hours (hour, model, tier, calls, cached_calls, tokens_in, tokens_out, cost, uncached_cost, wasted_cost, density, dense_calls, tokens_saved, estimated_calls, turns, model_turns, exact_hits, semantic_hits, tool_hits, misses)
  SELECT hour, model, tier, -calls, -cached_calls, -tokens_in, -tokens_out, -cost, -uncached_cost, -wasted_cost, -density, -dense_calls, -tokens_saved, -estimated_calls, -turns, -model_turns, -exact_hits, -semantic_hits, -tool_hits, -misses FROM usage_rows WHERE id = old.id
  ON CONFLICT (hour, model, tier) DO UPDATE SET calls = calls + excluded.calls, cached_calls = cached_calls + excluded.cached_calls, tokens_in = tokens_in + excluded.tokens_in, tokens_out = tokens_out + excluded.tokens_out, cost = cost + excluded.cost, uncached_cost = uncached_cost + excluded.uncached_cost, wasted_cost = wasted_cost + excluded.wasted_cost, density = density + excluded.density, dense_calls = dense_calls + excluded.dense_calls, tokens_saved = tokens_saved + excluded.tokens_saved, estimated_calls = estimated_calls + excluded.estimated_calls, turns = turns + excluded.turns, model_turns = model_turns + excluded.model_turns, exact_hits = exact_hits + excluded.exact_hits, semantic_hits = semantic_hits + excluded.semantic_hits, tool_hits = tool_hits + excluded.tool_hits, misses = misses + excluded.misses;
  DELETE FROM usage_hours WHERE hour = substr(old.created_at, 1, 13) AND model = old.model
  AND tier = ifnull(old.tier, '') AND calls = 0;
  END;

-- trigger memories_deleted
CREATE TRIGGER memories_deleted AFTER DELETE ON memories BEGIN
  INSERT INTO memory_fts (memory_fts, rowid, content, category, key, name, search_terms)
  VALUES ('delete', old.seq, old.content, old.category, old.key, old.name, old.search_terms);
  END;

-- trigger memories_inserted
CREATE TRIGGER memories_inserted AFTER INSERT ON memories BEGIN
  INSERT INTO memory_fts (rowid, content, category, key, name, search_terms)
  VALUES (new.seq, new.content, new.category, new.key, new.name, new.search_terms);
  END;

-- trigger memories_updated
CREATE TRIGGER memories_updated AFTER UPDATE OF content, category, key, name, search_terms ON memories BEGIN
  INSERT INTO memory_fts (memory_fts, rowid, content, category, key, name, search_terms)
  VALUES ('delete', old.seq, old.content, old.category, old.key, old.name, old.search_terms);
  INSERT INTO memory_fts (rowid, content, category, key, name, search_terms)
  VALUES (new.seq, new.content, new.category, new.key, new.name, new.search_terms);
  END;

-- trigger turn_feedback_counted
CREATE TRIGGER turn_feedback_counted AFTER INSERT ON turn_feedback BEGIN
  UPDATE turn_hours SET grades = grades + 1, grade_sum = grade_sum + new.grade,
  grades_with_memory = grades_with_memory + 1 * turn.with_memory,
  grade_sum_with_memory = grade_sum_with_memory + new.grade * turn.with_memory,
  grades_without_memory = grades_without_memory + 1 * (turn.snapshots AND NOT turn.with_memory),
  grade_sum_without_memory = grade_sum_without_memory + new.grade * (turn.snapshots AND NOT turn.with_memory)
  FROM (SELECT snapshots, with_memory, hour, model, level FROM turn_rows WHERE id = new.turn_id) AS turn
  WHERE turn_hours.hour = turn.hour AND turn_hours.model = turn.model AND turn_hours.level = turn.level;
  END;

-- trigger turn_feedback_recounted
CREATE TRIGGER turn_feedback_recounted AFTER UPDATE OF grade ON turn_feedback BEGIN
  UPDATE turn_hours SET grades = grades + 0, grade_sum = grade_sum + (new.grade - old.grade),
  grades_with_memory = grades_with_memory + 0 * turn.with_memory,
  grade_sum_with_memory = grade_sum_with_memory + (new.grade - old.grade) * turn.with_memory,
  grades_without_memory = grades_without_memory + 0 * (turn.snapshots AND NOT turn.with_memory),
  grade_sum_without_memory = grade_sum_without_memory + (new.grade - old.grade) * (turn.snapshots AND NOT turn.with_memory)
  FROM (SELECT snapshots, with_memory, hour, model, level FROM turn_rows WHERE id = new.turn_id) AS turn
  WHERE turn_hours.hour = turn.hour AND turn_hours.model = turn.model AND turn_hours.level = turn.level;
  END;

-- trigger turn_feedback_uncounted
CREATE TRIGGER turn_feedback_uncounted AFTER DELETE ON turn_feedback BEGIN
  UPDATE turn_hours SET grades = grades + -1, grade_sum = grade_sum + -old.grade,
  grades_with_memory = grades_with_memory + -1 * turn.with_memory,
  grade_sum_with_memory = grade_sum_with_memory + -old.grade * turn.with_memory,
  grades_without_memory = grades_without_memory + -1 * (turn.snapshots AND NOT turn.with_memory),
  grade_sum_without_memory = grade_sum_without_memory + -old.grade * (turn.snapshots AND NOT turn.with_memory)
  FROM (SELECT snapshots, with_memory, hour, model, level FROM turn_rows WHERE id = old.turn_id) AS turn
  WHERE turn_hours.hour = turn.hour AND turn_hours.model = turn.model AND turn_hours.level = turn.level;
  END;

-- trigger turns_counted
CREATE TRIGGER turns_counted AFTER INSERT ON turns WHEN new.status <> 'running' BEGIN
  INSERT INTO turn_hours (hour, model, level, turns, snapshots, utilization, budgeted, pressed, prompt_weight, weighed, system_tokens, memory_tokens, history_tokens, tool_tokens, with_memory, grades, grade_sum, grades_with_memory, grade_sum_with_memory, grades_without_memory, grade_sum_without_memory)
  SELECT hour, model, level, turns, snapshots, utilization, budgeted, pressed, prompt_weight, weighed, system_tokens, memory_tokens, history_tokens, tool_tokens, with_memory, grades, grade_sum, grades_with_memory, grade_sum_with_memory, grades_without_memory, grade_sum_without_memory FROM turn_rows WHERE id = new.id
  ON CONFLICT (hour, model, level) DO UPDATE SET turns = turns + excluded.turns, snapshots = snapshots + excluded.snapshots, utilization = utilization + excluded.utilization, budgeted = budgeted + excluded.budgeted, pressed = pressed + excluded.pressed, prompt_weight = prompt_weight + excluded.prompt_weight, weighed = weighed + excluded.weighed, system_tokens = system_tokens + excluded.system_tokens, memory_tokens = memory_tokens + excluded.memory_tokens, history_tokens = history_tokens + excluded.history_tokens, tool_tokens = tool_tokens + excluded.tool_tokens, with_memory = with_memory + excluded.with_memory, grades = grades + excluded.grades, grade_sum = grade_sum + excluded.grade_sum, grades_with_memory = grades_with_memory + excluded.grades_with_memory, grade_sum_with_memory = grade_sum_with_memory + excluded.grade_sum_with_memory, grades_without_memory = grades_without_memory + excluded.grades_without_memory, grade_sum_without_memory = grade_sum_without_memory + excluded.grade_sum_without_memory;
  END;

-- trigger turns_counted_at_end
CREATE TRIGGER turns_counted_at_end AFTER UPDATE OF status ON turns
  WHEN old.status = 'running' AND new.status <> 'running' BEGIN
  INSERT INTO turn_hours (hour, model, level, turns, snapshots, utilization, budgeted, pressed, prompt_weight, weighed, system_tokens, memory_tokens, history_tokens, tool_tokens, with_memory, grades, grade_sum, grades_with_memory, grade_sum_with_memory, grades_without_memory, grade_sum_without_memory)
  SELECT hour, model, level, turns, snapshots, utilization, budgeted, pressed, prompt_weight, weighed, system_tokens, memory_tokens, history_tokens, tool_tokens, with_memory, grades, grade_sum, grades_with_memory, grade_sum_with_memory, grades_without_memory, grade_sum_without_memory FROM turn_rows WHERE id = new.id
  ON CONFLICT (hour, model, level) DO UPDATE SET turns = turns + excluded.turns, snapshots = snapshots + excluded.snapshots, utilization = utilization + excluded.utilization, budgeted = budgeted + excluded.budgeted, pressed = pressed + excluded.pressed, prompt_weight = prompt_weight + excluded.prompt_weight, weighed = weighed + excluded.weighed, system_tokens = system_tokens + excluded.system_tokens, memory_tokens = memory_tokens + excluded.memory_tokens, history_tokens = history_tokens + excluded.history_tokens, tool_tokens = tool_tokens + excluded.tool_tokens, with_memory = with_memory + excluded.with_memory, grades = grades + excluded.grades, grade_sum = grade_sum + excluded.grade_sum, grades_with_memory = grades_with_memory + excluded.grades_with_memory, grade_sum_with_memory = grade_sum_with_memory + excluded.grade_sum_with_memory, grades_without_memory = grades_without_memory + excluded.grades_without_memory, grade_sum_without_memory = grade_sum_without_memory + excluded.grade_sum_without_memory;
  END;

-- trigger turns_uncounted
CREATE TRIGGER turns_uncounted BEFORE DELETE ON turns WHEN old.status <> 'running' BEGIN
  INSERT INTO turn_hours (hour, model, level, turns, snapshots, utilization, budgeted, pressed, prompt_weight, weighed, system_tokens, memory_tokens, history_tokens, tool_tokens, with_memory, grades, grade_sum, grades_with_memory, grade_sum_with_memory, grades_without_memory, grade_sum_without_memory)
  SELECT hour, model, level, -turns, -snapshots, -utilization, -budgeted, -pressed, -prompt_weight, -weighed, -system_tokens, -memory_tokens, -history_tokens, -tool_tokens, -with_memory, -grades, -grade_sum, -grades_with_memory, -grade_sum_with_memory, -grades_without_memory, -grade_sum_without_memory FROM turn_rows WHERE id = old.id
  ON CONFLICT (hour, model, level) DO UPDATE SET turns = turns + excluded.turns, snapshots = snapshots + excluded.snapshots, utilization = utilization + excluded.utilization, budgeted = budgeted + excluded.budgeted, pressed = pressed + excluded.pressed, prompt_weight = prompt_weight + excluded.prompt_weight, weighed = weighed + excluded.weighed, system_tokens = system_tokens + excluded.system_tokens, memory_tokens = memory_tokens + excluded.memory_tokens, history_tokens = history_tokens + excluded.history_tokens, tool_tokens = tool_tokens + excluded.tool_tokens, with_memory = with_memory + excluded.with_memory, grades = grades + excluded.grades, grade_sum = grade_sum + excluded.grade_sum, grades_with_memory = grades_with_memory + excluded.grades_with_memory, grade_sum_with_memory = grade_sum_with_memory + excluded.grade_sum_with_memory, grades_without_memory = grades_without_memory + excluded.grades_without_memory, grade_sum_without_memory = grade_sum_without_memory + excluded.grade_sum_without_memory;
  DELETE FROM turn_hours WHERE hour = substr(old.created_at, 1, 13) AND model = ifnull(old.model, '') AND turns = 0;
  END;

-- view episodic_memory
CREATE VIEW episodic_memory AS
  SELECT id, category AS classification, content, importance, session_id, created_at
  FROM memories WHERE tier = 'episodic' AND state = 'active';

-- view procedural_memory
CREATE VIEW procedural_memory AS
  SELECT id, key AS name, content AS steps, successes AS success_count, failures AS failure_count, created_at, updated_at
  FROM memories WHERE tier = 'procedural' AND state = 'active';

-- view relationship_memory
CREATE VIEW relationship_memory AS
  SELECT id, key AS entity_id, name AS entity_name, confidence AS trust_score, content AS interaction_summary,
  mentions AS interaction_count, updated_at AS last_interaction, created_at
  FROM memories WHERE tier = 'relationship' AND state = 'active';

-- view semantic_memory
CREATE VIEW semantic_memory AS
  SELECT id, category, key, content AS value, confidence, created_at, updated_at
  FROM memories WHERE tier = 'semantic' AND state = 'active';

-- view turn_rows
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

-- view usage_rows
CREATE VIEW usage_rows AS
  SELECT id, created_at, substr(created_at, 1, 13) AS hour, model, ifnull(tier, '') AS tier,
  1 AS calls, cached AS cached_calls, tokens_in, tokens_out, cost,
  iif(cached, 0, cost) AS uncached_cost,
  -- Billed, or perhaps billed, and without an answer.
  iif(cached OR quality_score IS NOT NULL, 0, cost) AS wasted_cost,
  iif(tokens_in > 0, tokens_out * 1.0 / tokens_in, 0) AS density, tokens_in > 0 AS dense_calls,
  tokens_saved, estimated AS estimated_calls, ifnull(tier, 'cached') = 'cached' AND place = 0 AS turns, ifnull(tier, 'cached') = 'cached' AND place < 2 AS model_turns,
  cache_level IS 'exact' AS exact_hits, cache_level IS 'semantic' AS semantic_hits,
  cache_level IS 'tool_ttl' AS tool_hits, cache_level IS 'miss' AS misses
  FROM inference_costs;

-- view working_memory
CREATE VIEW working_memory AS
  SELECT id, session_id, category AS entry_type, content, importance, created_at
  FROM memories WHERE tier = 'working' AND state = 'active';
