import { z } from 'zod'
import { type Finding, severity, type Tip } from '#sdk/contracts/tips.ts'
import { defused } from './defused.ts'

/** Of one analysis; what is beyond is left out. */
const maxFindings = 10
const maxChanges = 8
/** Characters. */
const maxSummary = 1_200
const maxTitle = 120
const maxSentence = 500

/** Text as a model wrote it, made harmless where it enters. */
export function said(maxChars: number) {
  return z
    .string()
    .transform((text) => defused(text, maxChars))
    .pipe(z.string().min(1))
}

/** What a model answers when it is asked to review a turn or a session. */
export const analysisAnswer = z.object({
  summary: said(maxSummary),
  findings: z
    .array(z.object({ severity, title: said(maxTitle), evidence: said(maxSentence), advice: said(maxSentence) }))
    .transform((found) => found.slice(0, maxFindings)),
  changes: z.array(said(maxSentence)).transform((changes) => changes.slice(0, maxChanges)),
})
export type AnalysisAnswer = z.infer<typeof analysisAnswer>

/** How it is asked for. */
export const analysisForm = `Answer with one JSON object and nothing else:
{"summary":"…","findings":[{"severity":"info","title":"…","evidence":"…","advice":"…"}],"changes":["…"]}
summary: two to four sentences for the person who runs the agent: what went well, what did not, and why.
findings: at most ${maxFindings}, worst first; severity is info, warning or critical; evidence names the figures or words it rests on; advice is one sentence.
changes: at most ${maxChanges} concrete changes to prompts, skills, tools, models or settings, most useful first; an empty list where nothing is to be changed.
Plain sentences without Markdown, links or HTML.`

/** The same from rules alone. `about` is the turn or session in words. */
export function answerOfTips(about: string, tips: readonly Tip[]): AnalysisAnswer {
  const [worst] = tips.toSorted((left, right) => rank(right) - rank(left))
  const how = worst
    ? `${tips.length === 1 ? 'One rule has' : `${tips.length} rules have`} something to say. ${worst.message}`
    : 'No rule has anything to say about it.'
  return {
    summary: `${about} ${how}`,
    findings: tips
      .toSorted((left, right) => rank(right) - rank(left))
      .map(({ severity, rule_name, message, suggestion }) => ({
        severity,
        title: titleOf(rule_name),
        evidence: message,
        advice: suggestion,
      })),
    changes: tips.map(({ suggestion }) => suggestion),
  }
}

function rank({ severity: one }: Pick<Tip, 'severity'>): number {
  return severity.options.indexOf(one)
}

function titleOf(rule: string): string {
  const words = rule.replaceAll('_', ' ')
  return words.charAt(0).toUpperCase() + words.slice(1)
}

/** Markdown of parts that are harmless by themselves. */
export function analysisMarkdown({ summary, findings, changes }: AnalysisAnswer): string {
  return [
    summary,
    ...section('Findings', findings.map(findingMarkdown)),
    ...section(
      'What to change',
      changes.map((change, index) => `${index + 1}. ${change}`),
    ),
  ].join('\n\n')
}

function findingMarkdown({ severity: one, title, evidence, advice }: Finding): string {
  return `- **${one}: ${title}** ${evidence} ${advice}`
}

export function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`### ${title}`, lines.join('\n')]
}
