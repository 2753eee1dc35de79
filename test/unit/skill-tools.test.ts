import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { skillToolsOf } from '#kernel/skills/skill-tools.ts'
import { skillsForTurn } from '#kernel/skills/skills-for-turn.ts'
import type { Tool, ToolCaller } from '#kernel/tools/tool.ts'
import type { Authority } from '#sdk/services/agent.ts'
import { openSkills, type SkillsScene, skillText } from '../support/skills-scene.ts'
import { startTools } from '../support/tools-service.ts'

const script = { 'ferry/scripts/times.sh': 'echo times' }
const input = { path: 'ferry/scripts/times.sh' }

async function open(more = '', files: Record<string, string> = {}) {
  const scene = await openSkills({ 'ferry/SKILL.md': skillText('ferry', { more }), ...script, ...files })
  const { tools, settings } = await startTools()
  const { workspace } = settings
  const [load, run] = skillToolsOf({ skills: scene.skills, tools, workspace: () => workspace })() as [Tool, Tool]
  const { hash = '' } = scene.skills.find('ferry') ?? {}
  return { ...scene, load, run, hash, workspace }
}

function caller(authority: Authority): ToolCaller {
  return { turn_id: null, session_id: null, agent_id: null, channel: 'test', authority }
}

const conditions = (tool: Tool, authority: Authority = 'Creator', given: object = input) =>
  tool.conditions?.({ ...given }, caller(authority))

function runIt({ run }: { run: Tool }, version: string) {
  return run.run(input, { call_id: 'a', caller: caller('Creator'), version, signal: new AbortController().signal })
}

test.each<[string, string, Authority[]]>([
  ['nothing', '', []],
  ['require_creator', 'policy_overrides: {require_creator: true}\n', ['External', 'Peer', 'SelfGenerated']],
  ['deny_external', 'policy_overrides: {deny_external: true}\n', ['External']],
  ['disabled', 'policy_overrides: {disabled: true}\n', ['External', 'Peer', 'SelfGenerated', 'Creator']],
])('an override narrows for all ways to a skill: %s', async (_, more, denied) => {
  const { load, run, skills } = await open(`${more}triggers: {keywords: [ferry]}\n`)
  for (const authority of ['External', 'Peer', 'SelfGenerated', 'Creator'] as const) {
    const refuses = denied.includes(authority)
    const told = refuses ? expect.stringMatching(/^Policy override denied: skill 'ferry'/) : undefined
    expect(conditions(run, authority)?.deny).toEqual(told)
    expect(conditions(load, authority, { name: 'ferry' })?.deny).toEqual(told)
    const { active, index } = skillsForTurn(skills, { model_text: 'ferry', authority })
    expect(active.map(({ name }) => name)).toEqual(refuses ? [] : ['ferry'])
    expect(index.some(({ name }) => name === 'ferry')).toBe(false)
  }
})

test('the reason names the authority that is missing', async () => {
  const { run } = await open('policy_overrides: {require_creator: true}\n')
  expect(conditions(run, 'External')?.deny).toContain('requires Creator authority')
})

test.each([
  ['Safe', 'Caution'],
  ['Caution', 'Caution'],
  ['Dangerous', 'Dangerous'],
  ['Forbidden', 'Forbidden'],
])('a skill that calls itself %s is %s to the policy', async (told, risk) => {
  const { run } = await open(`risk_level: ${told}\n`)
  expect(conditions(run)?.risk).toBe(risk)
})

test('a person is asked until exactly this content is trusted, and where a digest does not cover everything', async () => {
  const scene = await open()
  expect(conditions(scene.run)).toMatchObject({ version: scene.hash, ask: expect.stringContaining('not trusted') })
  scene.skills.setTrusted('ferry', scene.hash)
  expect(conditions(scene.run)).not.toHaveProperty('ask')
  scene.write({ 'ferry/node_modules/left/index.js': 'x' })
  expect(await runIt(scene, scene.hash)).toMatchObject({ output: expect.stringContaining('has changed') })
  await scene.skills.reload()
  const { hash } = scene.skills.find('ferry') ?? { hash: '' }
  expect(hash).not.toBe(scene.hash)
  scene.skills.setTrusted('ferry', hash)
  expect(conditions(scene.run)).toMatchObject({
    ask: expect.stringContaining('node_modules in it, which no digest covers'),
  })
  rmSync(join(scene.dir, 'ferry/node_modules'), { recursive: true })
  scene.write({ 'ferry/scripts/times.sh': 'echo swapped' })
  await scene.skills.reload()
  scene.skills.setTrusted('ferry', scene.hash)
  expect(conditions(scene.run)).toMatchObject({ ask: expect.stringContaining('not trusted') })
})

test('what runs is what was judged', async () => {
  const scene = await open()
  expect(await runIt(scene, scene.hash)).toEqual({ status: 'success', output: 'times' })
  scene.write({ 'ferry/scripts/times.sh': 'echo swapped' })
  await scene.skills.reload()
  // A call that was let through before the new content was loaded.
  expect(await runIt(scene, scene.hash)).toMatchObject({
    status: 'error',
    output: expect.stringContaining('has changed'),
  })
  expect(await runIt(scene, scene.skills.find('ferry')?.hash ?? '')).toEqual({ status: 'success', output: 'swapped' })
  scene.skills.setEnabled('ferry', false)
  expect(await runIt(scene, scene.hash)).toEqual({ status: 'error', output: "the skill 'ferry' is disabled" })
})

test('a script is told where the skills and the workspace are, and nothing else of Keel', async () => {
  const scene = await open('', { 'ferry/scripts/times.sh': 'env | grep KEEL | sort' })
  expect(await runIt(scene, scene.hash)).toEqual({
    status: 'success',
    output: `KEEL_SKILLS_DIR=${scene.dir}\nKEEL_WORKSPACE=${scene.workspace}`,
  })
})

test('a script beside its structured skill is found by its place and by its skill', async () => {
  const toml = (name: string) =>
    `name = "${name}"\ndescription = "D"\nkind = "Structured"\nscript_path = "deploy.sh"\n[triggers]\n`
  const scene = await open('', { 'deploy.toml': toml('deploy'), 'deploy.sh': 'echo deployed' })
  for (const path of ['deploy.sh', 'deploy/deploy.sh', './deploy.sh'])
    expect(conditions(scene.run, 'Creator', { path })?.source).toMatchObject({ kind: 'skill', name: 'deploy' })
  const { hash } = scene.skills.find('deploy') ?? { hash: '' }
  const run = { call_id: 'a', caller: caller('Creator'), version: hash, signal: new AbortController().signal }
  expect(await scene.run.run({ path: 'deploy.sh' }, run)).toEqual({ status: 'success', output: 'deployed' })
  scene.write({ 'twin.toml': toml('twin') })
  await scene.skills.reload()
  expect(await scene.run.run({ path: 'deploy.sh' }, run)).toMatchObject({
    output: 'SCRIPT_PATH_INVALID: deploy.sh is a script of deploy and twin',
  })
})

test('only the database’s own risks are kept', async () => {
  const { store }: SkillsScene = await open()
  expect(() => store.write.prepare("UPDATE skills SET risk_level = 'Odd'").run()).toThrow(/CHECK/)
})
