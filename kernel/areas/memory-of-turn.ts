import type { TurnContext } from '#sdk/contracts/turns.ts'
import type { MemoryPlan } from '#sdk/services/agent.ts'
import { memoryTiers } from '#sdk/services/memory-entry.ts'

type MemoryOfTurn = Pick<TurnContext, 'memory_tiers' | 'retrieved_memories' | 'memory_left_out' | 'memory_unavailable'>

/** What a turn's model was reminded of, what was left out, and why. */
export function memoryOfTurn(memory: MemoryPlan | undefined): MemoryOfTurn {
  const { entries = [], left_out = [], unavailable = null } = memory ?? {}
  const tokensOf = (wanted: string) =>
    entries.filter(({ tier }) => tier === wanted).reduce((sum, { tokens }) => sum + tokens, 0)
  return {
    memory_tiers: Object.fromEntries(memoryTiers.map((tier) => [tier, tokensOf(tier)])) as TurnContext['memory_tiers'],
    retrieved_memories: entries.map((entry) => ({ ...entry, score: entry.scores.total })),
    memory_left_out: left_out,
    memory_unavailable: unavailable,
  }
}
