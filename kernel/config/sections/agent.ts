import { choice, flag, fraction, integer, number, optionalText, requiredText, section, text } from '../fields.ts'

export const agent = section({
  id: requiredText('keel'),
  name: requiredText('Keel'),
  workspace: requiredText('workspace'),
  log_level: choice(['trace', 'debug', 'info', 'warn', 'error'], 'info'),
  delegation_enabled: flag(true),
  delegation_min_complexity: fraction(0.35),
  delegation_min_utility_margin: fraction(0.15),
  specialist_creation_requires_approval: flag(true),
  autonomy_max_react_turns: integer(10, 1, 1_000),
  autonomy_max_turn_duration_seconds: integer(90, 1, 86_400),
  autonomy_max_turn_tokens: integer(1_000_000, 1),
  /** Dollars. */
  autonomy_max_turn_cost: number(5, 0),
})

export const session = section({
  ttl_seconds: integer(86_400, 1),
  scope_mode: choice(['agent', 'peer', 'group'], 'agent'),
  reset_schedule: optionalText(),
})

export const context = section({
  max_tokens: integer(128_000, 1_000, 10_000_000),
  soft_trim_ratio: fraction(0.8),
  hard_clear_ratio: fraction(0.95),
  preserve_recent: integer(10, 0, 10_000),
  checkpoint_enabled: flag(false),
  checkpoint_interval_turns: integer(10, 1),
})

export const digest = section({
  enabled: flag(true),
  max_tokens: integer(512, 1),
  decay_half_life_days: number(7, 0.01),
})

export const learning = section({
  enabled: flag(true),
  min_tool_sequence: integer(3, 1),
  min_success_ratio: fraction(0.7),
  priority_boost_on_success: integer(5),
  priority_decay_on_failure: integer(10),
  max_learned_skills: integer(100),
  stale_procedural_days: integer(30, 1),
  dead_skill_priority_threshold: integer(0),
})

export const tierAdapt = section({
  t1_strip_system: flag(false),
  t1_condense_turns: flag(false),
  t2_default_preamble: text('Answer briefly and directly, and be accurate.'),
  t3_t4_passthrough: flag(true),
})

export const personality = section({
  os_file: requiredText('OS.toml'),
  firmware_file: requiredText('FIRMWARE.toml'),
})

export const workspaceConfig = section({
  soul_versioning: flag(false),
  index_on_start: flag(false),
  watch_for_changes: flag(false),
})
