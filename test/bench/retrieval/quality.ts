import type { SearchMode } from '#sdk/services/memory.ts'
import { search } from '../../../services/memory/search.ts'
import type { Conversation } from './conversation.ts'
import { type Answered, type Quality, qualityOf } from './metrics.ts'
import { plainFts } from './plain-fts.ts'
import { agentId, type MemoryScene, memoryScene, rememberConversation } from './scene.ts'

export const ways = ['plain FTS5', 'text alone', 'vectors alone', 'fused'] as const
export type Way = (typeof ways)[number]

const modes: Partial<Record<Way, SearchMode>> = { 'text alone': 'text', 'vectors alone': 'vector', fused: 'fused' }
const found = 100

/** How well each way of looking finds the evidence; all of them in the same memory. */
export async function measureQuality(
  conversations: readonly Conversation[],
): Promise<{ way: Way; quality: Quality; answers: Answered[] }[]> {
  const scene = await memoryScene((store) => {
    for (const conversation of conversations) rememberConversation(store, conversation)
  })
  try {
    await scene.embedded()
    const measured: { way: Way; quality: Quality; answers: Answered[] }[] = []
    for (const way of ways) {
      const answers: Answered[] = []
      for (const conversation of conversations) answers.push(...(await answersOf(conversation, way, scene)))
      measured.push({ way, quality: qualityOf(answers), answers })
    }
    return measured
  } finally {
    await scene.dispose()
  }
}

async function answersOf(conversation: Conversation, way: Way, scene: MemoryScene): Promise<Answered[]> {
  const mode = modes[way]
  if (mode === undefined) {
    const plain = plainFts(conversation)
    const answers = conversation.questions.map((question) => ({ question, found: plain.search(question.text) }))
    plain.close()
    return answers
  }
  const now = conversation.lines.at(-1)?.at ?? new Date(0).toISOString()
  const answers: Answered[] = []
  for (const question of conversation.questions) {
    const { matches } = await search(
      {
        ...{ agent_id: agentId, scope_key: conversation.id, text: question.text, limit: found, mode, now },
        ...{ tiers: [], category: null, session_id: null },
      },
      {
        db: scene.db,
        vectors: scene.vectors,
        settings: { hybrid_weight: 0.5, half_life_days: 7 },
        signal: AbortSignal.timeout(10_000),
      },
    )
    answers.push({ question, found: matches.map(({ id }) => id.slice(conversation.id.length + 1)) })
  }
  return answers
}
