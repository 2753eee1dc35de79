import type { Exchange, MemoryChanges, MemorySettings, NewMemory } from '#sdk/services/memory.ts'
import { entry } from './changes.ts'
import { activeByKey } from './known.ts'
import type { Reading } from './reading.ts'

/** Longer runs of tools are one of a kind. */
const maxSequence = 12
/** Different tools of one turn that are counted. */
const maxTools = 40

type ToolUse = Exchange['tools'][number]

const failing =
  /^\s*(?:\[?(?:error|failed|failure|fatal|panic)\b|\{\s*"error"|[A-Z_]*(?:ERROR|EXIT_NONZERO|TIMEOUT)\b)/i
const badExit =
  /\b(?:exit(?:ed)?(?: with)?(?: code| status)?|exit_code|return(?:ed)? code)\b["']?\s*[:=]?\s*(?!0\b)-?\d+|\bnon-?zero exit\b/i
/** Where a result says how it ended, in characters. */
const readOfOutput = 2_000

/** By its status or by what it says: a tool may tell of its failure in an answer like any other. */
export function hasFailed({ status, output }: ToolUse): boolean {
  if (status === 'error') return true
  const read = output.slice(0, readOfOutput)
  return failing.test(read) || badExit.test(read)
}

/** What was refused, waits or is unknown says nothing about the tool. */
function wasTried({ status }: ToolUse): boolean {
  return status === 'success' || status === 'partial_success' || status === 'error'
}

/** How often tools, and runs of them, have worked. */
export function experienceChanges(
  { tools, agent_id, scope_key }: Exchange,
  { db, settings }: { db: Reading; settings: Pick<MemorySettings, 'learning'> },
): Partial<MemoryChanges> {
  const used = tools.filter(wasTried)
  const counts = new Map<string, Count>()
  for (const use of used) {
    const count = counts.get(use.name) ?? {
      category: 'tool',
      key: use.name,
      content: use.name,
      successes: 0,
      failures: 0,
    }
    if (hasFailed(use)) count.failures++
    else count.successes++
    counts.set(use.name, count)
  }
  const changes: { add: NewMemory[]; update: MemoryChanges['update'] } = { add: [], update: [] }
  for (const count of [...[...counts.values()].slice(0, maxTools), ...sequenceOf(used, settings.learning)]) {
    const row = activeByKey(db, { agent_id, scope_key, tier: 'procedural', category: count.category, key: count.key })
    if (row)
      changes.update.push({
        id: row.id,
        successes: row.successes + count.successes,
        failures: row.failures + count.failures,
        mentions: row.mentions + 1,
      })
    else changes.add.push(...entry({ tier: 'procedural', ...count, name: count.key, source: 'keel', trusted: true }))
  }
  return changes
}

interface Count {
  category: 'tool' | 'sequence'
  key: string
  content: string
  successes: number
  failures: number
}

/** The turn's tools in their order, the same one after itself counted once. */
function sequenceOf(
  used: readonly ToolUse[],
  { enabled, min_tool_sequence, min_success_ratio }: MemorySettings['learning'],
): Count[] {
  const steps = used.map(({ name }) => name).filter((name, at, all) => name !== all[at - 1])
  if (!enabled || steps.length < min_tool_sequence || steps.length > maxSequence) return []
  const worked = used.filter((use) => !hasFailed(use)).length / used.length >= min_success_ratio
  return [
    {
      category: 'sequence',
      key: steps.join(' > '),
      content: steps.map((name, at) => `${at + 1}. ${name}`).join('\n'),
      successes: worked ? 1 : 0,
      failures: worked ? 0 : 1,
    },
  ]
}
