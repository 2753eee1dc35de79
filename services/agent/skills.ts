import { withoutMarks } from '#sdk/boundaries.ts'
import { estimateTokens } from '#sdk/messages.ts'
import type { TurnJob, TurnSkills } from '#sdk/services/agent.ts'

/** What active skills may take of the prompt, in tokens, and of a small window. */
const maxActiveTokens = 4_000
const shareOfWindow = 0.25
/** What the list of the others may take, in tokens. */
const maxIndexTokens = 1_500

/** The skills that fit: whole bodies, best first, then names and descriptions. A body is never cut: half a skill misleads. */
export function chooseSkills({
  skills,
  context_max_tokens,
}: Pick<TurnJob, 'skills' | 'context_max_tokens'>): TurnSkills {
  const active = whileItFits(
    skills.active,
    ({ name, body }) => estimateTokens(name + body),
    Math.min(maxActiveTokens, context_max_tokens * shareOfWindow),
  )
  const left = skills.active.filter((skill) => !active.includes(skill)).map(({ name }) => ({ name, description: '' }))
  const index = whileItFits(
    [...left, ...skills.index],
    ({ name, description }) => estimateTokens(name + description),
    Math.min(maxIndexTokens, context_max_tokens * shareOfWindow),
  )
  return { active, index }
}

function whileItFits<T>(wanted: readonly T[], tokensOf: (item: T) => number, room: number): T[] {
  let left = room
  return wanted.filter((item) => {
    const tokens = tokensOf(item)
    if (tokens > left) return false
    left -= tokens
    return true
  })
}

/** Their part of the system prompt, or nothing where there are none. */
export function skillParts({ active, index }: TurnSkills): string[] {
  const parts: string[] = []
  if (active.length > 0) {
    const bodies = active.map(({ name, body }) => `### ${name}\n${withoutMarks(body)}`)
    parts.push(['## Active Skills', ...bodies].join('\n\n'))
  }
  if (index.length > 0) {
    const lines = index.map(
      ({ name, description }) => `- ${name}${description === '' ? '' : `: ${oneLine(description)}`}`,
    )
    parts.push(`## Other skills\nLoad one with load_skill when its description fits the task.\n${lines.join('\n')}`)
  }
  return parts
}

function oneLine(text: string): string {
  return withoutMarks(text).replaceAll(/\s+/g, ' ').trim()
}
