import { RE2JS } from 're2js'
import { estimateTokens } from '#sdk/messages.ts'
import type { Skill } from './skill.ts'

/** What each sign of fitness is worth. */
const keywordScore = 3
const maxKeywordScore = 9
const patternScore = 5
const toolScore = 2
const priorityShare = 0.1
/** Words shared with the name and description, for skills that declare no triggers; below the least they are chance. */
const wordScore = 2
const maxWordScore = 8
const leastSharedWords = 2

const maxActive = 3
const maxActiveTokens = 4_000
const maxMessageChars = 32_768
/** Patterns look at the beginning of a message, and all of them together for so long, in milliseconds. */
const maxPatternChars = 8_192
const maxPatternsMs = 100

/** Words too common to tell one skill from another. */
const commonWords = new Set(
  'about after also and any are can could does for from have how into its just like make many more most not now out please some such than that the their them then there these this use used user using want was were what when where which will with work would you your'.split(
    ' ',
  ),
)

export interface SkillMatch {
  skill: Skill
  score: number
  /** In words, for the record. */
  reason: string
}

/** A skill with what of it is looked for, prepared once a load. */
export interface Matcher {
  skill: Skill
  patterns: RE2JS[]
  words: ReadonlySet<string>
  keywords: RegExp[]
  /** Tools that a message may name. */
  tools: RegExp[]
}

/** Patterns that RE2 does not take are left out, and named in `refused`. */
export function prepareMatcher(skill: Skill): Matcher & { refused: string[] } {
  const refused: string[] = []
  const patterns = skill.triggers.regex_patterns.flatMap((pattern) => {
    try {
      return [RE2JS.compile(pattern)]
    } catch {
      refused.push(pattern)
      return []
    }
  })
  const keywords = skill.triggers.keywords.map(wordPattern)
  const tools = skill.triggers.tool_names.map(wordPattern)
  return { skill, patterns, keywords, tools, words: wordsOf(`${skill.name} ${skill.description}`), refused }
}

/** The skills that a message calls for, best first: at most three, and as many as fit. */
export function matchSkills(matchers: readonly Matcher[], text: string): SkillMatch[] {
  const message = text.slice(0, maxMessageChars)
  const words = wordsOf(message)
  const patternsUntil = performance.now() + maxPatternsMs
  const found = matchers
    .flatMap((matcher) => scoreOf(matcher, { message, words, patternsUntil }) ?? [])
    .sort((left, right) => right.score - left.score || (left.skill.name < right.skill.name ? -1 : 1))
  const chosen: SkillMatch[] = []
  let tokens = 0
  for (const match of found) {
    const cost = estimateTokens(match.skill.body)
    if (chosen.length === maxActive) break
    if (tokens + cost > maxActiveTokens) continue
    tokens += cost
    chosen.push(match)
  }
  return chosen
}

function scoreOf(
  { skill, patterns, keywords, tools: toolPatterns, words: described }: Matcher,
  { message, words, patternsUntil }: { message: string; words: ReadonlySet<string>; patternsUntil: number },
): SkillMatch | undefined {
  const hits = keywords.flatMap((pattern, index) => (pattern.test(message) ? [skill.triggers.keywords[index]] : []))
  const start = message.slice(0, maxPatternChars)
  const pattern = patterns.find((candidate) => performance.now() < patternsUntil && candidate.matcher(start).find())
  const tools = toolPatterns.flatMap((name, index) => (name.test(message) ? [skill.triggers.tool_names[index]] : []))
  const declares = keywords.length + patterns.length + toolPatterns.length > 0
  const shared = declares ? [] : [...described].filter((word) => words.has(word))
  const related = shared.length >= leastSharedWords ? shared : []
  const score =
    Math.min(maxKeywordScore, hits.length * keywordScore) +
    (pattern ? patternScore : 0) +
    tools.length * toolScore +
    Math.min(maxWordScore, related.length * wordScore)
  if (score === 0) return undefined
  const reasons = [
    ...(hits.length > 0 ? [`keywords ${hits.join(', ')}`] : []),
    ...(pattern ? [`pattern ${pattern.pattern()}`] : []),
    ...(tools.length > 0 ? [`tools ${tools.join(', ')}`] : []),
    ...(related.length > 0 ? [`words ${related.join(', ')}`] : []),
  ]
  return { skill, score: score + skill.priority * priorityShare, reason: reasons.join('; ') }
}

/** As a word of its own, whatever the language's letters are. */
function wordPattern(keyword: string): RegExp {
  const escaped = keyword.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
  return new RegExp(`(?<![\\p{L}\\p{N}_])${escaped}(?![\\p{L}\\p{N}_])`, 'iu')
}

function wordsOf(text: string): Set<string> {
  const words = text.toLowerCase().match(/[\p{L}\p{N}]{3,40}/gu) ?? []
  return new Set(words.filter((word) => !commonWords.has(word)).map(stem))
}

/** Enough that `reports` and `report` are one word. */
function stem(word: string): string {
  return word
    .replace(/(?<=\w{2})ies$/, 'y')
    .replace(/(?<=s|x|z|ch|sh)es$/, '')
    .replace(/(?<=\w{2}[^su])s$/, '')
}
