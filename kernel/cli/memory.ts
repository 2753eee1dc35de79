import { RuntimeError } from '#sdk/errors.ts'
import { memoryTiers } from '#sdk/services/memory-entry.ts'
import type { CliSession } from './connection.ts'
import { given } from './given.ts'
import { oneLine } from './one-line.ts'
import { confirmed } from './plugin-install.ts'
import { duration } from './status.ts'

/** How long forgetting, and tidying up, may take, in milliseconds. */
const longMs = 600_000

export interface FindOptions {
  limit?: string
  offset?: string
  tier?: string
  category?: string
  session?: string
}

const textOf = (words: readonly string[]) => words.join(' ')
const number = (scores: number | null) => (scores === null ? '–' : scores.toFixed(2))

export async function searchMemory(
  { client, out }: CliSession,
  words: readonly string[],
  { limit, tier, category, session }: FindOptions,
): Promise<void> {
  const query = {
    q: textOf(words),
    limit,
    category,
    session_id: session,
    tier: tier === undefined ? tier : tierOf(tier),
  }
  out.value(await client.memory.searchMemory({ query: given(query) }), ({ results, trace }) => {
    if (results.length === 0) return out.line('Nothing is remembered about that.')
    for (const { id, content, score, scores, created_at, source_of, trusted, tier, category } of results) {
      out.line(`${out.style('bold', number(score))}  ${oneLine(content, 400)}`)
      const from = `${source_of}${trusted ? '' : ', not trusted'}`
      const why = `words ${number(scores.text)}, vectors ${number(scores.vector)}, around it ${number(scores.context)}`
      out.line(out.style('dim', `      ${tier}/${category}, ${from}, ${created_at.slice(0, 10)}; ${why}; ${id}`))
    }
    if (trace.vector_note !== null) out.note(trace.vector_note)
    if (trace.left_out_words.length > 0) out.note(`too common to be looked for: ${trace.left_out_words.join(', ')}`)
  })
}

type Row = [about: string, text: string, weight: string, when: string, id: string]

/** One tier, page by page. */
export async function listMemory(session: CliSession, tier: string, options: FindOptions): Promise<void> {
  const { client, out } = session
  const { limit, offset, category, session: session_id } = options
  const query = given({ limit, offset })
  const show = ({ total }: { total: number }, rows: readonly Row[]) => {
    if (rows.length === 0)
      return out.line(`There is nothing in the ${tier} memory${total > 0 ? ' from there on' : ''}.`)
    out.table(['WHAT', 'TEXT', 'WEIGHT', 'SINCE', 'ID'], rows)
    if (rows.length < total) out.note(`${rows.length} of ${total}`)
  }
  switch (tierOf(tier)) {
    case 'working': {
      const answer =
        session_id === undefined
          ? await client.memory.listWorking({ query })
          : await client.memory.listSessionWorking({ params: { session_id }, query })
      return out.value(answer, (page) =>
        show(
          page,
          page.entries.map((e) => [e.entry_type, oneLine(e.content), `${e.importance}/10`, day(e.created_at), e.id]),
        ),
      )
    }
    case 'episodic': {
      const answer = await client.memory.listEpisodic({
        query: given({ ...query, session_id, classification: category }),
      })
      return out.value(answer, (page) =>
        show(
          page,
          page.entries.map((e) => [
            e.classification,
            oneLine(e.content),
            `${e.importance}/10`,
            day(e.created_at),
            e.id,
          ]),
        ),
      )
    }
    case 'semantic': {
      const answer =
        category === undefined
          ? await client.memory.listSemantic({ query })
          : await client.memory.listSemanticCategory({ params: { category }, query })
      return out.value(answer, (page) =>
        show(
          page,
          page.entries.map((e) => [
            `${e.category}/${e.key}`,
            oneLine(e.value),
            number(e.confidence),
            day(e.updated_at),
            e.id,
          ]),
        ),
      )
    }
    case 'procedural':
      return out.value(await client.memory.listProcedural({ query }), (page) =>
        show(
          page,
          page.entries.map((e) => [
            e.name,
            oneLine(e.steps),
            `${e.success_count}/${e.success_count + e.failure_count}`,
            day(e.updated_at),
            e.id,
          ]),
        ),
      )
    case 'relationship':
      return out.value(await client.memory.listRelationships({ query }), (page) =>
        show(
          page,
          page.entries.map((e) => [
            e.entity_name ?? e.entity_id,
            oneLine(e.interaction_summary),
            `${number(e.trust_score)}, ${e.interaction_count}×`,
            day(e.last_interaction),
            e.id,
          ]),
        ),
      )
  }
}

export async function showMemory({ client, out }: CliSession, id: string): Promise<void> {
  out.value(await client.memory.getMemory({ params: { id } }), ({ superseded, content, ...entry }) => {
    out.line(content)
    out.line()
    for (const [name, value] of Object.entries(entry))
      if (value !== null) out.line(`${out.style('dim', name.padEnd(14))}${value}`)
    for (const earlier of superseded)
      out.line(
        out.style('dim', `before ${day(earlier.updated_at)}: ${oneLine(earlier.content)} (${earlier.state_reason})`),
      )
  })
}

export async function addMemory(
  { client, out }: CliSession,
  words: readonly string[],
  options: { category?: string; key?: string },
): Promise<void> {
  const body = { text: textOf(words), ...given({ category: options.category, key: options.key }) }
  out.value(await client.memory.addMemory({ body }), ({ id, tier, category, key }) =>
    out.line(`Remembered as ${id} (${tier}/${category}${key === null ? '' : `/${key}`}).`),
  )
}

export interface ForgetOptions {
  session?: string
  subject?: string
  dryRun?: boolean
  yes?: boolean
}

/** Shows what would be forgotten before it is, for it can not be had back. */
export async function forgetMemory(
  session: CliSession,
  id: string | undefined,
  { session: session_id, subject, dryRun = false, yes = false }: ForgetOptions,
): Promise<void> {
  const { client, out } = session
  if ([id, session_id, subject].filter((what) => what !== undefined).length !== 1)
    throw new RuntimeError('invalid', 'Say what to forget: an entry, --session or --subject')
  const signal = AbortSignal.timeout(longMs)
  if (id !== undefined) {
    const { content } = await client.memory.getMemory({ params: { id } })
    if (dryRun) return out.value({ forgotten: 1, dry_run: true, id }, () => out.line(oneLine(content)))
    if (!(await isMeant(session, yes, [content]))) return
    return out.value(await client.memory.deleteMemory({ params: { id }, signal }), () =>
      out.line(`${id} is forgotten.`),
    )
  }
  const what = given({ session_id, subject })
  const found = await client.memory.forgetMemory({ body: { ...what, dry_run: true } })
  if (dryRun || found.forgotten === 0)
    return out.value(found, ({ forgotten, entries }) => {
      for (const { tier, content } of entries) out.line(`${tier}: ${oneLine(content)}`)
      out.line(forgotten === 0 ? 'Nothing is remembered of that.' : `${forgotten} entries would be forgotten.`)
    })
  if (
    !(await isMeant(
      session,
      yes,
      found.entries.map(({ content }) => content),
      found.forgotten,
    ))
  )
    return
  out.value(await client.memory.forgetMemory({ body: what, signal }), ({ forgotten }) =>
    out.line(`${forgotten} entries are forgotten.`),
  )
}

async function isMeant(session: CliSession, yes: boolean, texts: readonly string[], count = texts.length) {
  if (yes) return true
  for (const text of texts.slice(0, 10)) session.out.note(`  ${oneLine(text)}`)
  if (await confirmed(session, `Forget ${count === 1 ? 'this' : `these ${count}`} for good? [y/N] `)) return true
  session.out.note('Nothing was forgotten. Without a terminal, say --yes.')
  return false
}

export async function consolidateMemory({ client, out }: CliSession): Promise<void> {
  const signal = AbortSignal.timeout(longMs)
  out.value(await client.memory.consolidateMemory({ signal }), (report) =>
    out.line(
      `${report.examined} examined: ${report.merged} merged, ${report.promoted} made facts, ${report.pruned} removed, ${report.dropped} dropped.`,
    ),
  )
}

export async function showMemoryStatus({ client, out }: CliSession): Promise<void> {
  out.value(await client.memory.getMemoryStatus(), ({ entries, waiting, last_consolidation, embedding }) => {
    out.table(
      ['TIER', 'REMEMBERED', 'SUPERSEDED', 'DROPPED'],
      memoryTiers.map((tier) => {
        const { active, superseded, dropped } = entries[tier]
        return [tier, String(active), String(superseded), String(dropped)]
      }),
    )
    out.line(`Turns that wait to be remembered: ${waiting}`)
    out.line(`Last tidied up: ${last_consolidation === null ? 'never' : since(last_consolidation.at)}`)
    if (embedding === null) return out.line(out.style('yellow', 'The memory service does not answer.'))
    const { model, done, total, corrupt, stalled } = embedding
    out.line(`Vectors of ${model}: ${done} of ${total}${corrupt > 0 ? `, ${corrupt} to be made anew` : ''}`)
    if (stalled !== null) out.line(out.style('yellow', stalled))
  })
}

function since(at: string): string {
  return `${duration((Date.now() - Date.parse(at)) / 1000)} ago`
}

function day(time: string): string {
  return time.slice(0, 10)
}

function tierOf(name: string) {
  const tier = memoryTiers.find((known) => known === name)
  if (!tier) throw new RuntimeError('invalid', `The tiers are ${memoryTiers.join(', ')}; ${name} is none`)
  return tier
}
