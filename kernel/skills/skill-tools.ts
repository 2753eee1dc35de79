import { createHash } from 'node:crypto'
import { isAbsolute, join, normalize, relative } from 'node:path'
import { z } from 'zod'
import { readPlain } from '#kernel/guests/plain-file.ts'
import { riskAtLeast } from '#kernel/policy/authority.ts'
import type { CallConditions, Tool, ToolAnswer, ToolCaller } from '#kernel/tools/tool.ts'
import { cutOutput } from '#sdk/cut-output.ts'
import { isErrorOf } from '#sdk/errors.ts'
import { scriptAnswer } from '#sdk/script-words.ts'
import type { Client } from '#sdk/service.ts'
import { maxToolOutputBytes, type toolsService } from '#sdk/services/tools.ts'
import { maxSkillFileBytes } from '#sdk/skill.ts'
import { builtinSkills } from './builtin.ts'
import type { Skills } from './registry.ts'
import { isTrusted, isUsable, type Skill } from './skill.ts'
import { narrowing } from './skills-for-turn.ts'

const maxPathLength = 512
const maxNamedFiles = 50
const scriptRisk = 'Caution'

interface SkillToolDeps {
  skills: Skills
  tools: Client<typeof toolsService>
  /** Where scripts leave what they make. */
  workspace: () => string
}

/** What the model can do with skills: read one, and run what it brings along. */
export function skillToolsOf(deps: SkillToolDeps): () => Tool[] {
  const tools = [loadSkillTool(deps), runScriptTool(deps)]
  return () => tools
}

const loadInput = z.object({
  name: z.string().min(1).max(64).describe("The skill's name."),
  file: z
    .string()
    .max(maxPathLength)
    .optional()
    .describe('One of its files, such as references/format.md; without it, its instructions.'),
})

function loadSkillTool({ skills }: SkillToolDeps): Tool {
  return {
    name: 'load_skill',
    description: 'Reads the instructions of a skill, or one of the files that they refer to.',
    parameters: z.toJSONSchema(loadInput) as Record<string, unknown>,
    risk: 'Safe',
    idempotent: true,
    paths: [],
    timeoutMs: 10_000,
    version: '1',
    source: { kind: 'builtin' },
    parse: parser(loadInput),
    conditions(input, { authority }) {
      const skill = skills.find(String(input.name))
      const deny = skill && refusal(skill, authority)
      return deny ? { deny } : {}
    },
    async run(input) {
      const { name, file } = loadInput.parse(input)
      const builtin = builtinSkills.find((candidate) => candidate.name === name)
      if (builtin && file === undefined) return { status: 'success', output: builtin.body }
      const skill = skills.find(name)
      if (!skill) return { status: 'error', output: `There is no skill named ${name}.` }
      if (file === undefined) return { status: 'success', output: withFiles(skill) }
      const known = skill.files.find(({ path }) => path === file)
      if (!known) return { status: 'error', output: `${name} has no file ${file}. Its files: ${namedFiles(skill)}` }
      const bytes = await readPlain(join(skill.base, known.path), maxSkillFileBytes)
      if (createHash('sha256').update(bytes).digest('hex') !== known.sha256)
        return { status: 'error', output: `${file} has changed since the skill ${name} was loaded.` }
      return { status: 'success', output: cutOutput(bytes.toString('utf8'), maxToolOutputBytes) }
    },
  }
}

const runInput = z.object({
  path: z
    .string()
    .min(3)
    .max(maxPathLength)
    .describe("From the skills folder on: the skill's name, a slash, and the script, as in notes/scripts/count.py."),
  args: z.array(z.string().max(4_096)).max(64).optional(),
  input: z.string().max(65_536).optional().describe('Given to the script on its standard input.'),
})

function runScriptTool({ skills, tools, workspace }: SkillToolDeps): Tool {
  return {
    name: 'run_script',
    description: 'Runs a script of a skill and returns what it prints.',
    parameters: z.toJSONSchema(runInput) as Record<string, unknown>,
    risk: scriptRisk,
    idempotent: false,
    paths: [],
    timeoutMs: 3_700_000,
    version: '1',
    source: { kind: 'builtin' },
    parse: parser(runInput),
    conditions: (input, caller) => scriptConditions(skills, String(input.path), caller),
    async run(input, { caller, version, signal, progress }) {
      const { path, args = [], input: stdin = '' } = runInput.parse(input)
      const found = findScript(skills, path)
      if (typeof found === 'string') return { status: 'error', output: `SCRIPT_PATH_INVALID: ${found}` }
      const { skill, script, sha256 } = found
      const refused = refusal(skill, caller.authority)
      if (refused) return { status: 'error', output: refused }
      const onDisk = await skills.onDisk(skill.name)
      // What was judged and what is loaded, and what is loaded and what lies there, may differ by now.
      if (version !== skill.hash || onDisk?.hash !== skill.hash)
        return {
          status: 'error',
          output: `SCRIPT_PATH_INVALID: the skill ${skill.name} has changed since it was loaded.`,
        }
      try {
        const env = { KEEL_SKILLS_DIR: skills.dir, KEEL_WORKSPACE: workspace() }
        const wanted = { root: skill.base, script, sha256, args, stdin, env, timeout_ms: null, network: true }
        const onChunk = ({ line }: { line: string }) => progress?.(line)
        return cutAnswer(scriptAnswer(await tools.runScript(wanted, { signal, onChunk })))
      } catch (thrown) {
        if (isErrorOf(thrown, 'invalid')) return { status: 'error', output: thrown.message }
        throw thrown
      }
    },
  }
}

/** What the script's skill says about who may run it, and whether a person has allowed what it is now. */
function scriptConditions(skills: Skills, path: string, { authority }: ToolCaller): CallConditions {
  const found = findScript(skills, path)
  if (typeof found === 'string') return {}
  const { skill, script } = found
  const { id, name, hash, risk_level, uncovered } = skill
  // A skill may say that it is more of a risk than other scripts, and never that it is less.
  const risk = riskAtLeast(risk_level, scriptRisk) ? risk_level : scriptRisk
  const deny = refusal(skill, authority)
  if (deny) return { deny }
  const ask = !isTrusted(skill)
    ? `the scripts of the skill '${name}' are not trusted as they are (${hash.slice(0, 12)}); it would run ${script}`
    : uncovered.length > 0
      ? `the skill '${name}' has ${uncovered.join(', ')} in it, which no digest covers; it would run ${script}`
      : undefined
  return { risk, version: hash, source: { kind: 'skill', id, name, hash }, ...(ask && { ask }) }
}

function refusal(skill: Skill, authority: ToolCaller['authority']): string | undefined {
  const narrowed = narrowing(skill, authority)
  if (narrowed) return narrowed
  if (!skill.enabled) return `the skill '${skill.name}' is disabled`
  return isUsable(skill) ? undefined : `the skill '${skill.name}' can not be used: ${skill.unmet.join(', ')}`
}

interface Script {
  skill: Skill
  /** From its base on. */
  script: string
  sha256: string
}

/** The script of a path, which begins with its skill's name or is its place in the skills folder; or what is wrong with it. */
function findScript(skills: Skills, given: string): Script | string {
  const path = normalize(given.replaceAll('\\', '/'))
  if (isAbsolute(path) || path.startsWith('..')) return `${given} is no path from the skills folder on`
  const [first = '', ...rest] = path.split('/')
  const named = skills.find(first)
  const byName = named && scriptIn(named, rest.join('/'))
  if (byName) return byName
  const place = join(skills.dir, path)
  const there = skills.list().flatMap((skill) => scriptIn(skill, relative(skill.base, place)) ?? [])
  if (there.length > 1) return `${given} is a script of ${there.map(({ skill }) => skill.name).join(' and ')}`
  return there[0] ?? (named ? `the skill ${first} has no file ${rest.join('/')}` : `there is no skill named ${first}`)
}

function scriptIn(skill: Skill, script: string): Script | undefined {
  const file = skill.files.find(({ path }) => path === script)
  return file && { skill, script, sha256: file.sha256 }
}

function withFiles(skill: Skill): string {
  const files = namedFiles(skill)
  return cutOutput(files === '' ? skill.body : `${skill.body}\n\nFiles of this skill: ${files}`, maxToolOutputBytes)
}

function namedFiles({ files, source_path, base }: Skill): string {
  const own = relative(base, source_path)
  const others = files.filter(({ path }) => path !== own).map(({ path }) => path)
  const more = others.length > maxNamedFiles ? ` and ${others.length - maxNamedFiles} more` : ''
  return others.slice(0, maxNamedFiles).join(', ') + more
}

function cutAnswer({ status, output }: ToolAnswer): ToolAnswer {
  return { status, output: cutOutput(output, maxToolOutputBytes) }
}

function parser(schema: z.ZodType<Record<string, unknown>>) {
  return (raw: Record<string, unknown>): Record<string, unknown> | string => {
    const parsed = schema.safeParse(raw)
    return parsed.success ? parsed.data : z.prettifyError(parsed.error)
  }
}
