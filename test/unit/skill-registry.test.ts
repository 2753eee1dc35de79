import { execFileSync } from 'node:child_process'
import { linkSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { auditSkills } from '#kernel/skills/audit.ts'
import { readSkill } from '#kernel/skills/read-skill.ts'
import { openSkills, skillText, writeFiles } from '../support/skills-scene.ts'
import { temporaryFolder } from '../support/temp-store.ts'

const toolbox = { list: () => [], find: () => undefined, findOf: () => undefined }

async function standing({ skills, store }: Awaited<ReturnType<typeof openSkills>>, name: string) {
  const audit = await auditSkills({ store, skills, toolbox, judge: () => expect.unreachable() })
  return audit.skills.find((skill) => skill.name === name)
}

test('one bad skill blocks no other, and each is told with its reason', async () => {
  const { dir, skills, names } = await openSkills({
    'good/SKILL.md': skillText('good'),
    'empty/SKILL.md': '  \n',
    'nothing/notes.txt': 'no skill',
    'large/SKILL.md': skillText('large', { body: 'x'.repeat(1_048_576) }),
    'single.md': skillText('single'),
    'plain.md': 'Just a text.',
    'README.md': 'About this collection.',
    LICENSE: 'MIT',
    'table.toml': 'name = "table"\ndescription = "D"\nkind = "Structured"\n[triggers]\n',
    'broken.toml': 'name = ',
    'introspection/SKILL.md': skillText('introspection'),
    'v1.2-notes/SKILL.md': skillText('v1-2-notes'),
    'untidy/skill.md': 'No front matter.',
  })
  symlinkSync(join(dir, 'good'), join(dir, 'linked'))
  symlinkSync(join(dir, 'single.md'), join(dir, 'alias.md'))
  execFileSync('mkfifo', [join(dir, 'pipe.md')])
  const { issues, rejected } = await skills.reload()
  expect(names()).toEqual(['good', 'single', 'table', 'untidy', 'v1-2-notes'])
  expect(issues).toEqual([
    "rejected skill 'alias.md': alias.md is a symbolic link",
    expect.stringMatching(/^rejected skill 'broken\.toml': broken\.toml is not valid TOML/),
    "rejected skill 'empty': SKILL.md is empty",
    "rejected skill 'introspection': the name introspection is one of Keel's own",
    expect.stringMatching(/^rejected skill 'large': SKILL\.md has \d+ bytes; at most 1048576 are read/),
    "rejected skill 'linked': linked is a symbolic link",
    "rejected skill 'nothing': the folder nothing has no SKILL.md",
    "rejected skill 'pipe.md': pipe.md is no ordinary file",
    expect.stringMatching(/^rejected skill 'plain\.md': plain\.md: The file does not begin with front matter/),
  ])
  expect(rejected).toBe(issues.length)
  expect((await skills.untracked()).map(({ entry }) => entry)).toHaveLength(issues.length)
})

test('a folder that only collects skills has one in each file', async () => {
  const { skills, dir, names } = await openSkills({
    'team/deploy.md': skillText('deploy'),
    'team/review.md': skillText('review'),
    'team/README.md': 'Ours.',
    'team/bad.toml': 'x',
  })
  expect(names()).toEqual(['deploy', 'review'])
  expect(skills.find('deploy')?.source_path).toBe(join(dir, 'team/deploy.md'))
  rmSync(join(dir, 'team/deploy.md'))
  expect(await skills.reload()).toMatchObject({ scanned: 2, removed: 1, unchanged: 1, rejected: 1 })
  expect(names()).toEqual(['review'])
})

test('links, pipes and files with two names inside a skill are no part of it, and it says so', async () => {
  const dir = temporaryFolder()
  writeFiles(dir, { 'notes/SKILL.md': skillText('notes'), 'notes/scripts/run.sh': 'echo', 'secret.txt': 'secret' })
  symlinkSync(join(dir, 'secret.txt'), join(dir, 'notes/link.txt'))
  symlinkSync(dir, join(dir, 'notes/everything'))
  linkSync(join(dir, 'secret.txt'), join(dir, 'notes/twin.txt'))
  execFileSync('mkfifo', [join(dir, 'notes/pipe')])
  const { files, findings, uncovered } = await readSkill(join(dir, 'notes'))
  expect(files.map(({ path }) => path)).toEqual(['SKILL.md', 'scripts/run.sh'])
  expect(findings.map(({ code }) => code)).toEqual(Array(4).fill('unusual_file'))
  expect(uncovered).toEqual(['everything', 'link.txt', 'pipe', 'twin.txt'])
})

test('a SKILL.md that is a link makes no skill', async () => {
  const dir = temporaryFolder()
  writeFiles(dir, { 'outside.md': skillText('notes'), 'notes/scripts/run.sh': 'echo' })
  symlinkSync(join(dir, 'outside.md'), join(dir, 'notes/SKILL.md'))
  await expect(readSkill(join(dir, 'notes'))).rejects.toThrow('the folder notes has no SKILL.md')
})

test('five thousand files are read once and then known; a dependency folder is left out', async () => {
  const files: Record<string, string> = { 'big/SKILL.md': skillText('big') }
  for (let index = 0; index < 5_000; index++) files[`big/references/${index % 50}/${index}.md`] = `text ${index}`
  for (let index = 0; index < 500; index++) files[`big/node_modules/p${index}/index.js`] = 'x'
  const { skills } = await openSkills(files)
  const big = skills.find('big')
  expect(big?.files).toHaveLength(5_001)
  expect(big?.uncovered).toEqual(['node_modules'])
  expect(big?.findings.map(({ code }) => code)).toEqual(['foreign_folder'])
  expect(await skills.reload()).toMatchObject({ scanned: 1, unchanged: 1 })
}, 60_000)

test('more than a skill may have is refused with the bound', async () => {
  const dir = temporaryFolder()
  writeFiles(dir, {
    'deep/SKILL.md': skillText('deep'),
    [`deep/${'a/'.repeat(13)}x`]: 'x',
    'huge/SKILL.md': skillText('huge'),
  })
  writeFileSync(join(dir, 'huge/blob'), '')
  truncateSync(join(dir, 'huge/blob'), 257 * 1_048_576)
  await expect(readSkill(join(dir, 'deep'))).rejects.toThrow('nested deeper than 12')
  await expect(readSkill(join(dir, 'huge'))).rejects.toThrow('larger than 268435456 bytes')
})

test('another content of the same size and time is another content', async () => {
  const { dir, skills } = await openSkills({ 'notes/SKILL.md': skillText('notes', { body: 'one' }) })
  const before = skills.find('notes')?.hash
  utimesSync(join(dir, 'notes/SKILL.md'), 1_000, 1_000)
  await skills.reload()
  writeFileSync(join(dir, 'notes/SKILL.md'), skillText('notes', { body: 'two' }))
  utimesSync(join(dir, 'notes/SKILL.md'), 1_000, 1_000)
  expect((await skills.onDisk('notes'))?.hash).not.toBe(before)
})

test('a structured skill has its script beside it, and no other', async () => {
  const toml = (script: string) =>
    `name = "deploy"\ndescription = "Deploys."\nkind = "Structured"\nscript_path = "${script}"\nrisk_level = "Dangerous"\n[triggers]\nkeywords = ["deploy"]\n[policy_overrides]\nrequire_creator = true\n`
  const scene = await openSkills({ 'deploy.toml': toml('deploy.sh'), 'deploy.sh': 'echo one' })
  expect(scene.skills.find('deploy')).toMatchObject({
    kind: 'structured',
    script_path: 'deploy.sh',
    risk_level: 'Dangerous',
    policy_overrides: { require_creator: true },
    files: [{ path: 'deploy.toml' }, { path: 'deploy.sh' }],
  })
  const { hash } = scene.skills.find('deploy') ?? {}
  scene.write({ 'deploy.sh': 'echo two' })
  await scene.skills.reload()
  expect(scene.skills.find('deploy')?.hash).not.toBe(hash)
  for (const [script, why] of [
    ['../x.sh', 'leads out'],
    ['/etc/passwd', 'leads out'],
    ['gone.sh', 'no ordinary file'],
  ] as const) {
    scene.write({ 'deploy.toml': toml(script) })
    expect((await scene.skills.reload()).issues).toEqual([expect.stringContaining(why)])
  }
  expect(scene.skills.find('deploy')?.error).toContain('no ordinary file')
})

test('a tool chain is taken where the configuration says so', async () => {
  const toml =
    'name = "chain"\ndescription = "D"\nkind = "Structured"\n[triggers]\n[[tool_chain]]\ntool_name = "read_file"\n'
  const scene = await openSkills({ 'chain.toml': toml })
  expect((await scene.skills.reload()).rejected).toBe(1)
  scene.settings.toolChains = true
  expect(await scene.skills.reload()).toMatchObject({ rejected: 0, added: 1 })
})

test('of two places with one name the first has it, and the other when that is gone', async () => {
  const scene = await openSkills({ 'notes.md': skillText('notes', { body: 'the file' }) })
  const body = () => scene.skills.find('notes')?.body
  scene.write({ 'notes/SKILL.md': skillText('notes', { body: 'the folder' }) })
  const told = "rejected skill 'notes.md': the name notes is taken by notes"
  expect((await scene.skills.reload()).issues).toEqual([told])
  expect(body()).toBe('the folder')
  expect(scene.events).toContainEqual(
    expect.objectContaining({ type: 'skill_failed', skill: 'notes.md', error: 'the name notes is taken by notes' }),
  )
  await scene.skills.remove('notes', { purge: false })
  expect(body()).toBe('the file')
  expect((await scene.restart()).find('notes')?.body).toBe('the file')
})

test('a skill that was broken while nobody looked is known as broken, and keeps what was decided about it', async () => {
  const scene = await openSkills({ 'notes/SKILL.md': skillText('notes') })
  const { id, hash = '' } = scene.skills.find('notes') ?? {}
  scene.skills.setTrusted('notes', hash)
  scene.write({ 'notes/SKILL.md': '' })
  const skills = await scene.restart()
  expect(skills.list()).toEqual([])
  expect(skills.missing()).toMatchObject([{ row: { name: 'notes', id }, error: 'SKILL.md is empty' }])
  expect(await standing({ ...scene, skills }, 'notes')).toMatchObject({
    drift_status: 'invalid_metadata',
    drift_reason: 'SKILL.md is empty',
  })
  expect(await skills.untracked()).toEqual([])
  scene.write({ 'notes/SKILL.md': skillText('notes') })
  await skills.reload()
  expect(skills.find('notes')).toMatchObject({ id, trusted_hash: hash })
})

test('the audit names each changed, added and removed file, and what was never read', async () => {
  const scene = await openSkills({ 'notes/SKILL.md': skillText('notes'), 'notes/a.md': 'a', 'notes/b.md': 'b' })
  expect(await standing(scene, 'notes')).toMatchObject({ drift_status: 'in_sync', drift_reason: '', verdict: 'clean' })
  scene.write({ 'notes/a.md': 'changed', 'notes/c.md': 'new', 'other/SKILL.md': skillText('other') })
  rmSync(join(scene.dir, 'notes/b.md'))
  const drifted = await standing(scene, 'notes')
  expect(drifted).toMatchObject({ drift_status: 'drifted', trusted: false })
  expect(drifted?.drift_reason).toContain('a.md changed, c.md added, b.md removed')
  expect(drifted?.disk_hash).not.toBe(drifted?.content_hash)
  expect(await scene.skills.untracked()).toEqual([{ entry: 'other', error: 'it has not been read yet: reload' }])
  rmSync(join(scene.dir, 'notes'), { recursive: true })
  expect(await standing(scene, 'notes')).toMatchObject({ drift_status: 'missing_on_disk' })
})

test('the folder is made when it is gone', async () => {
  const { dir, skills } = await openSkills({ 'notes/SKILL.md': skillText('notes') })
  rmSync(dir, { recursive: true })
  expect(await skills.reload()).toMatchObject({ scanned: 0, removed: 1, issues: [] })
})
