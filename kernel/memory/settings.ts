import type { Config } from '#kernel/config/schema.ts'
import type { MemorySettings } from '#sdk/services/memory.ts'

/** The configuration as the memory service needs it. Without a real model nobody is asked to find facts. */
export function memorySettingsOf({ database, memory, digest, learning }: Config, hasModel: boolean): MemorySettings {
  return {
    database: database.path,
    embedding_model:
      memory.embedding_provider && memory.embedding_model
        ? `${memory.embedding_provider}/${memory.embedding_model}`
        : null,
    extract_by_model: memory.extract_by_model && hasModel,
    hybrid_weight: memory.hybrid_weight,
    budget_pct: {
      working: memory.working_budget_pct,
      episodic: memory.episodic_budget_pct,
      semantic: memory.semantic_budget_pct,
      procedural: memory.procedural_budget_pct,
      relationship: memory.relationship_budget_pct,
    },
    half_life_days: digest.decay_half_life_days,
    learning: {
      enabled: learning.enabled,
      min_tool_sequence: learning.min_tool_sequence,
      min_success_ratio: learning.min_success_ratio,
      stale_procedural_days: learning.stale_procedural_days,
    },
  }
}
