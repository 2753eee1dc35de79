import type { Context } from '#kernel/context.ts'
import type { Handlers } from '#kernel/http/handler.ts'
import { lastConsolidation } from '#kernel/memory/consolidation.ts'
import { apiGrant } from '#kernel/policy/authority.ts'
import { listSuperseded, loadMemory } from '#kernel/store/memories.ts'
import { countIngest } from '#kernel/store/memory-ingest.ts'
import type { ListOf, ListWindow } from '#kernel/store/memory-lists.ts'
import { toLine } from '#kernel/store/memory-transfer.ts'
import type { memoryRoutes } from '#sdk/contracts/memory.ts'
import { RuntimeError } from '#sdk/errors.ts'
import type { Authority } from '#sdk/services/agent.ts'
import type { ScoredMemory } from '#sdk/services/memory.ts'
import type { MemorySource } from '#sdk/services/memory-entry.ts'

/** The scope of what belongs to the agent's owner. */
const ownScope = 'agent'

/** Lists read the store, and go on when the memory service is down. */
export const memoryHandlers: Handlers<typeof memoryRoutes, Pick<Context, 'store' | 'config' | 'memory'>> = {
  listWorking: async ({ query }, { store }) => paged(await store.pool.run('listWorking', query), query),

  listSessionWorking: async ({ params, query }, { store }) =>
    paged(await store.pool.run('listSessionWorking', { ...query, session_id: params.session_id }), query),

  async listEpisodic({ query }, { store }) {
    const { entries, total } = await store.pool.run('listEpisodic', query)
    return paged({ entries: entries.map((entry) => ({ ...entry, salience: entry.importance / 10 })), total }, query)
  },

  listSemantic: async ({ query }, { store }) => paged(await store.pool.run('listSemantic', query), query),

  listSemanticCategories: async (_, { store }) => ({
    categories: await store.pool.run('listSemanticCategories', undefined),
  }),

  listSemanticCategory: async ({ params, query }, { store }) =>
    paged(await store.pool.run('listSemantic', { ...query, category: params.category }), query),

  async searchMemory({ query, signal }, { config, memory }) {
    const { q: text, limit, tier, category = null, session_id = null } = query
    const owner = { agent_id: config.current().agent.id, scope_key: null }
    const wanted = { ...owner, text, limit, category, session_id, ...(tier && { tiers: [tier] }) }
    const { matches, trace } = await memory.search(wanted, signal)
    return { results: matches.map(toMatch), query: text, count: matches.length, trace }
  },

  listProcedural: async ({ query }, { store }) => paged(await store.pool.run('listProcedural', query), query),

  listRelationships: async ({ query }, { store }) => paged(await store.pool.run('listRelationships', query), query),

  async getMemoryStatus(_, { store, memory }) {
    const [entries, embedding] = await Promise.all([memory.counts(null), memory.embeddingStatus()])
    return {
      entries,
      waiting: countIngest(store.read),
      last_consolidation: lastConsolidation(store.read),
      embedding,
    }
  },

  getMemory: ({ params }, { store }) => ({
    ...toLine(loadMemory(store.read, params.id)),
    superseded: listSuperseded(store.read, params.id).map(toLine),
  }),

  async addMemory({ body }, { config, memory }) {
    const { agent, security } = config.current()
    const kept = await memory.keep({
      agent_id: agent.id,
      scope_key: ownScope,
      session_id: null,
      turn_id: null,
      text: body.text,
      category: body.category ?? null,
      key: body.key ?? null,
      ...originOf(apiGrant(security).level),
    })
    return toLine(kept)
  },

  async deleteMemory({ params }, { memory }) {
    await memory.forgetEntry(params.id)
    return { id: params.id, deleted: true }
  },

  async forgetMemory({ body }, { memory }) {
    const { session_id, subject, dry_run } = body
    const what = session_id !== undefined ? { session_id } : subject !== undefined ? { subject } : undefined
    if (!what || (session_id !== undefined && subject !== undefined))
      throw new RuntimeError('invalid', 'name either a session_id or a subject')
    return { ...(await (dry_run ? memory.findForgettable(what) : memory.forgetAll(what))), dry_run }
  },

  exportMemory: ({ query }, { store }) => store.pool.run('exportMemories', query),

  importMemory: ({ body }, { memory }) => memory.importLines(body.lines),

  consolidateMemory: (_, { memory }) => memory.consolidate(),
}

function paged<T>({ entries, total }: ListOf<T>, { limit, offset }: ListWindow) {
  return { entries, total, limit, offset }
}

function toMatch({ id, tier, category, key, content, session_id, created_at, scores, source, trusted }: ScoredMemory) {
  return {
    id,
    tier,
    type: tier,
    category,
    source: `${tier}_memory`,
    ...(key !== null && { key }),
    content,
    score: scores.total,
    ...(session_id !== null && { session_id }),
    created_at,
    scores,
    source_of: source,
    trusted,
  }
}

/** Who holds the API key speaks with the authority that the configuration gives it. */
function originOf(level: Authority): { source: MemorySource; trusted: boolean } {
  const source = { Creator: 'user', SelfGenerated: 'agent', Peer: 'peer', External: 'stranger' } as const
  return { source: source[level], trusted: level === 'Creator' }
}
