import { parseDocument } from 'yaml'
import { z } from 'zod'

/*
 * What a skill's file says. Collections are untidy, so whatever can be understood is taken, and what a strict reader would
 * refuse is a finding. The form is that of the Agent Skills specification: front matter in YAML, then Markdown.
 */

export const maxSkillFileBytes = 1_048_576
/** Reading YAML takes far longer than reading text: more than this is no front matter. */
const maxFrontMatterChars = 16_384
const maxYamlAliases = 100
const maxNameLength = 64
const maxDescriptionLength = 1_024
/** Bodies longer than this should move their details to `references/`. */
const maxBodyLines = 500
const maxTriggers = 64
const maxTriggerLength = 256
const maxPriority = 100
const defaultPriority = 5
const forbiddenKeys = new Set(['__proto__', 'constructor', 'prototype'])

export const skillNamePattern = /^[a-z0-9][a-z0-9-]{0,63}$/

export const skillRisk = z.enum(['Safe', 'Caution', 'Dangerous', 'Forbidden'])

export interface Finding {
  code: string
  /** A sentence for the skill's author. */
  message: string
}

export interface SkillTriggers {
  keywords: string[]
  tool_names: string[]
  /** In RE2's syntax: the time they take grows with the text alone. */
  regex_patterns: string[]
}

/** They narrow what may be done, and never widen it. */
export interface PolicyOverrides {
  require_creator: boolean
  deny_external: boolean
  disabled: boolean
}

/** What a machine must have for the skill to be of use. */
export interface SkillRequirements {
  bins: string[]
  /** At least one of them. */
  any_bins: string[]
  env: string[]
  os: string[]
}

export interface SkillText {
  name: string
  description: string
  kind: 'instruction' | 'structured'
  triggers: SkillTriggers
  priority: number
  version: string
  author: string
  risk_level: z.infer<typeof skillRisk>
  policy_overrides: PolicyOverrides
  requirements: SkillRequirements
  /** Of the structured form: relative to its file. */
  script_path: string | null
  tool_chain: Record<string, unknown>[]
  /** Its script may answer a fitting message by itself. */
  auto_run: boolean
  /** Everything that the front matter says, known or not. */
  frontmatter: Record<string, unknown>
  body: string
  findings: Finding[]
}

/** Findings of a file that a person has broken, or has not finished writing. */
const unfinished = new Set(['no_front_matter', 'front_matter_not_ended', 'front_matter_no_table', 'broken_yaml'])

/** Why nobody can have meant the file as it is, if so. */
export function unfinishedReason({ findings }: Pick<SkillText, 'findings'>): string | undefined {
  return findings.find(({ code }) => unfinished.has(code))?.message
}

/** Reads a SKILL.md, or any Markdown file that is a skill. `expectedName` is its folder's, or its own without `.md`. */
export function readSkillText(text: string, expectedName: string): SkillText {
  const findings: Finding[] = []
  const { yaml, body } = splitFrontMatter(text, findings)
  const frontmatter = yaml === null ? {} : readYaml(yaml, findings)
  return fromFields(frontmatter, { body, expectedName, kind: 'instruction', findings })
}

/** What both forms have in common, from their fields. */
export function fromFields(
  fields: Record<string, unknown>,
  {
    body,
    expectedName,
    kind,
    findings,
  }: { body: string; expectedName: string; kind: SkillText['kind']; findings: Finding[] },
): SkillText {
  const note = (code: string, message: string) => void findings.push({ code, message })
  const metadata = tableOf(fields.metadata)
  const name = nameOf(fields, expectedName, note)
  return {
    name,
    description: descriptionOf(fields, body, note),
    kind,
    triggers: triggersOf(fields.triggers, note),
    priority: priorityOf(fields.priority, note),
    version: shortText(fields.version ?? metadata.version) ?? '0.0.0',
    author: shortText(fields.author ?? metadata.author) ?? 'local',
    risk_level: riskOf(fields.risk_level ?? metadata.risk_level, note),
    policy_overrides: overridesOf(fields.policy_overrides ?? metadata.policy_overrides, note),
    requirements: requirementsOf(metadata, fields),
    script_path: shortText(fields.script_path) ?? null,
    tool_chain: Array.isArray(fields.tool_chain) ? fields.tool_chain.map(tableOf) : [],
    auto_run: fields.auto_run === true || metadata.auto_run === true,
    frontmatter: fields,
    body: bodyOf(body, note),
    findings,
  }
}

function splitFrontMatter(text: string, findings: Finding[]): { yaml: string | null; body: string } {
  const whole = text.replace(/^\uFEFF/, '').trimStart()
  const opening = /^---[ \t]*\r?\n/.exec(whole)
  if (!opening) {
    findings.push({
      code: 'no_front_matter',
      message: 'The file does not begin with front matter between two lines of "---".',
    })
    return { yaml: null, body: whole.trim() }
  }
  const rest = whole.slice(opening[0].length)
  const end = /^(?:---|\.\.\.)[ \t]*$/m.exec(rest)
  if (!end) {
    findings.push({ code: 'front_matter_not_ended', message: 'The front matter is not ended by a line of "---".' })
    return untilBlankLine(rest)
  }
  return { yaml: rest.slice(0, end.index), body: rest.slice(end.index + end[0].length).trim() }
}

function untilBlankLine(rest: string): { yaml: string; body: string } {
  const blank = /^[ \t]*\r?\n/m.exec(rest)
  if (!blank) return { yaml: rest, body: '' }
  return { yaml: rest.slice(0, blank.index), body: rest.slice(blank.index).trim() }
}

function readYaml(yaml: string, findings: Finding[]): Record<string, unknown> {
  try {
    if (yaml.length > maxFrontMatterChars)
      throw new RangeError(`it has ${yaml.length} characters; at most ${maxFrontMatterChars} are read`)
    const document = parseDocument(yaml, { prettyErrors: false, uniqueKeys: false, logLevel: 'silent' })
    const [error] = document.errors
    if (error) throw error
    const value: unknown = document.toJS({ maxAliasCount: maxYamlAliases })
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return plainTable(value)
    findings.push({ code: 'front_matter_no_table', message: 'The front matter is not a table of keys and values.' })
    return {}
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message.split('\n', 1)[0] : String(thrown)
    findings.push({ code: 'broken_yaml', message: `The front matter is not valid YAML: ${reason}` })
    const fields = lineByLine(yaml.slice(0, maxFrontMatterChars))
    // It meant to narrow something, and nobody can say what any more.
    return /^\s*policy_overrides\b/m.test(yaml) ? { ...fields, policy_overrides: 'unreadable' } : fields
  }
}

/** What most broken front matter means: a colon in a text without quotes. */
function lineByLine(yaml: string): Record<string, unknown> {
  const fields: [string, string][] = []
  for (const line of yaml.split('\n')) {
    const [, key, value] = /^([A-Za-z][\w-]{0,63}):[ \t]+(\S.*?)[ \t\r]*$/.exec(line) ?? []
    if (key !== undefined && value !== undefined) fields.push([key, value.replace(/^(["'])(.*)\1$/, '$2')])
  }
  return plainTable(Object.fromEntries(fields))
}

/** Without the keys that mean something to the language. */
export function plainTable(value: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !forbiddenKeys.has(key))
      .map(([key, part]) => [key, plainValue(part)]),
  )
}

function plainValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plainValue)
  if (value instanceof Date) return value.toISOString()
  return typeof value === 'object' && value !== null ? plainTable(value) : value
}

function tableOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {}
}

type Note = (code: string, message: string) => void

function nameOf(fields: Record<string, unknown>, expected: string, note: Note): string {
  const given = shortText(fields.name)
  if (given === undefined) note('no_name', 'The front matter has no name.')
  else if (!skillNamePattern.test(given) || given.includes('--') || given.endsWith('-'))
    note(
      'name_form',
      `The name "${given}" must be lower-case letters, digits and single hyphens, at most ${maxNameLength}.`,
    )
  if (given !== undefined && given !== expected)
    note('name_differs', `The name "${given}" is not that of its folder or file, "${expected}".`)
  return slug(expected) || slug(given ?? '') || 'skill'
}

/** A name that can stand in paths, addresses and the model's calls. */
export function slug(name: string): string {
  return name
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, maxNameLength)
    .replaceAll(/^-+|-+$/g, '')
}

function descriptionOf(fields: Record<string, unknown>, body: string, note: Note): string {
  const given = typeof fields.description === 'string' ? fields.description.trim() : ''
  if (given === '') {
    note('no_description', 'The front matter has no description, by which a model would know when to use the skill.')
    return firstSentence(body)
  }
  if (given.length > maxDescriptionLength)
    note(
      'description_long',
      `The description has ${given.length} characters; at most ${maxDescriptionLength} are read.`,
    )
  return given.slice(0, maxDescriptionLength)
}

function firstSentence(body: string): string {
  const line = body.split('\n').find((candidate) => /^[^#\s`>|-]/.test(candidate.trim()))
  return (line ?? body.split('\n', 1)[0] ?? '')
    .replace(/^#+\s*/, '')
    .trim()
    .slice(0, 200)
}

function bodyOf(body: string, note: Note): string {
  if (body === '') note('no_body', 'There is nothing below the front matter.')
  const lines = body.split('\n').length
  if (lines > maxBodyLines)
    note('body_long', `The body has ${lines} lines; beyond ${maxBodyLines}, details belong into references/.`)
  return body
}

function triggersOf(given: unknown, note: Note): SkillTriggers {
  // A list of words is a common way to write keywords.
  const table = Array.isArray(given) ? { keywords: given } : tableOf(given)
  const list = (value: unknown) =>
    textsOf(value)
      .filter((text) => text.length <= maxTriggerLength)
      .slice(0, maxTriggers)
  if (given !== undefined && (Array.isArray(given) || typeof given !== 'object'))
    note('triggers_form', 'triggers: expected a table with keywords, tool_names and regex_patterns.')
  return {
    keywords: list(table.keywords),
    tool_names: list(table.tool_names),
    regex_patterns: list(table.regex_patterns),
  }
}

function priorityOf(given: unknown, note: Note): number {
  if (given === undefined) return defaultPriority
  const priority = Number(given)
  if (Number.isInteger(priority) && priority >= 0 && priority <= maxPriority) return priority
  note('priority_form', `priority: expected a whole number from 0 to ${maxPriority}.`)
  return defaultPriority
}

function riskOf(given: unknown, note: Note): SkillText['risk_level'] {
  if (given === undefined) return 'Caution'
  const known = skillRisk.options.find((risk) => risk.toLowerCase() === String(given).toLowerCase())
  // What can not be read must not make it less of a risk.
  if (known === undefined) note('risk_form', `risk_level: expected one of ${skillRisk.options.join(', ')}.`)
  return known ?? 'Dangerous'
}

function overridesOf(given: unknown, note: Note): PolicyOverrides {
  const table = tableOf(given)
  const isTable = given === undefined || (typeof given === 'object' && given !== null && !Array.isArray(given))
  if (!isTable)
    note('override_form', 'policy_overrides: expected a table; the skill is for Creator alone until it is one.')
  const overrides = { require_creator: !isTable, deny_external: !isTable, disabled: false }
  for (const [key, value] of Object.entries(table)) {
    if (!Object.hasOwn(overrides, key)) note('override_unknown', `policy_overrides.${key}: there is no such override.`)
    else if (typeof value !== 'boolean') note('override_form', `policy_overrides.${key}: expected true or false.`)
    // What is not plainly false narrows.
    if (Object.hasOwn(overrides, key)) overrides[key as keyof PolicyOverrides] = value !== false
  }
  return overrides
}

/** `metadata.openclaw.requires`, as it is written in the wild; the metadata may also be JSON in a text. */
function requirementsOf(metadata: Record<string, unknown>, fields: Record<string, unknown>): SkillRequirements {
  const told = typeof fields.metadata === 'string' ? jsonTable(fields.metadata) : metadata
  const claw = tableOf(told.openclaw ?? told.clawdbot ?? told.clawdis)
  const requires = { ...tableOf(told.requires), ...tableOf(claw.requires) }
  return {
    bins: textsOf(requires.bins),
    any_bins: textsOf(requires.anyBins ?? requires.any_bins),
    env: textsOf(requires.env),
    os: textsOf(claw.os ?? told.os ?? requires.os),
  }
}

function jsonTable(text: string): Record<string, unknown> {
  try {
    return plainTable(tableOf(JSON.parse(text)))
  } catch {
    return {}
  }
}

function textsOf(value: unknown): string[] {
  const list = typeof value === 'string' ? [value] : Array.isArray(value) ? value : []
  return list.filter((item) => typeof item === 'string' && item.trim() !== '').map((item: string) => item.trim())
}

function shortText(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value)
  return typeof value === 'string' && value.trim() !== '' && value.length <= maxTriggerLength ? value.trim() : undefined
}
