import { cpSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { eventually } from '../support/daemon.ts'
import { openSkills, type SkillsScene, skillText, writeFiles } from '../support/skills-scene.ts'
import { temporaryFolder } from '../support/temp-store.ts'

const live = { hotReload: true }
const changes = ({ events }: SkillsScene) => events.filter(({ type }) => type === 'skills_changed')
const body = ({ skills }: SkillsScene, name: string) => skills.find(name)?.body

test('what is saved is live, and announced', async () => {
  const scene = await openSkills({}, live)
  scene.write({ 'notes/SKILL.md': skillText('notes', { body: 'one' }) })
  await scene.sees('it is live', () => body(scene, 'notes') === 'one')
  const savedAt = performance.now()
  scene.write({ 'notes/SKILL.md': skillText('notes', { body: 'two' }) })
  await scene.sees('it has changed', () => body(scene, 'notes') === 'two')
  expect(performance.now() - savedAt).toBeLessThan(500)
  const { id } = scene.skills.find('notes') ?? {}
  expect(changes(scene)).toMatchObject([
    { op: 'reload', ids: [id] },
    { op: 'reload', ids: [id] },
  ])
})

test.each([
  ['a broken file', '---\nname: notes\ndescription: a: b\n---\nnew'],
  ['an empty file', ''],
  ['a file without its front matter', 'new'],
  ['front matter without an end', '---\nname: notes\nnew'],
])(
  '%s leaves the last good version, and the event, the log and the list say why, until it is mended',
  async (_, text) => {
    const scene = await openSkills(
      { 'notes/SKILL.md': skillText('notes', { body: 'good' }), 'other/SKILL.md': skillText('other') },
      live,
    )
    scene.write({ 'notes/SKILL.md': text })
    await scene.sees('it is told', () => scene.events.some(({ type }) => type === 'skill_failed'))
    const { error } = scene.skills.find('notes') ?? {}
    expect(error).toBeTruthy()
    expect(scene.events.at(-1)).toMatchObject({ type: 'skill_failed', skill: 'notes', error, last_good: true })
    expect(scene.log).toContainEqual(
      expect.objectContaining({ skill: 'notes', msg: 'a skill is broken; its last good version stays' }),
    )
    expect(body(scene, 'notes')).toBe('good')
    expect(scene.skills.find('other')?.error).toBeNull()
    // The very same content as before: still a change, since it was broken in between.
    scene.write({ 'notes/SKILL.md': skillText('notes', { body: 'good' }) })
    await scene.sees('it is mended', () => scene.skills.find('notes')?.error === null)
    await scene.sees('that is told', () => changes(scene).length === 1)
  },
)

test('what was never good goes live when it is mended', async () => {
  const scene = await openSkills({ 'notes/SKILL.md': '' }, live)
  expect(scene.names()).toEqual([])
  scene.write({ 'notes/SKILL.md': skillText('notes') })
  await scene.sees('it is live', () => scene.names().includes('notes'))
  expect(await scene.skills.untracked()).toEqual([])
})

test('a renamed folder is another skill, and a deleted one is gone', async () => {
  const scene = await openSkills({ 'notes/SKILL.md': skillText('notes'), 'notes/scripts/a.sh': 'echo' }, live)
  renameSync(join(scene.dir, 'notes'), join(scene.dir, 'minutes'))
  await scene.sees('it has its new name', () => scene.names().join() === 'minutes')
  expect(scene.skills.find('minutes')?.findings.map(({ code }) => code)).toEqual(['name_differs'])
  rmSync(join(scene.dir, 'minutes'), { recursive: true })
  await scene.sees('it is gone', () => scene.names().length === 0)
})

test('a folder that is written bit by bit is taken up whole', async () => {
  const scene = await openSkills({}, live)
  const loaded: number[] = []
  scene.bus.subscribe(() => void loaded.push(scene.skills.find('notes')?.files.length ?? 0))
  const ready = join(temporaryFolder(), 'notes')
  mkdirSync(join(ready, 'references'), { recursive: true })
  for (let index = 0; index < 200; index++) writeFileSync(join(ready, `references/${index}.md`), 'x'.repeat(1_000))
  writeFileSync(join(ready, 'SKILL.md'), skillText('notes'))
  cpSync(ready, join(scene.dir, 'notes'), { recursive: true })
  await scene.sees('all of it is there', () => scene.skills.find('notes')?.files.length === 201)
  expect(loaded).toEqual([201])
})

test('after a burst of changes what is live is what lies there', async () => {
  const scene = await openSkills({}, live)
  for (let round = 0; round < 40; round++)
    for (const name of ['a', 'b', 'c', 'd']) {
      const folder = join(scene.dir, name)
      if ((round + name.charCodeAt(0)) % 3 === 0) rmSync(folder, { recursive: true, force: true })
      else if (round % 5 === 4) scene.write({ [`${name}/SKILL.md`]: '' })
      else scene.write({ [`${name}/SKILL.md`]: skillText(name, { body: `round ${round}` }) })
      if (round % 10 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
  for (const name of ['a', 'b', 'c']) scene.write({ [`${name}/SKILL.md`]: skillText(name, { body: `last ${name}` }) })
  rmSync(join(scene.dir, 'd'), { recursive: true, force: true })
  await scene.sees(
    'the last state',
    () => ['a', 'b', 'c'].every((name) => body(scene, name) === `last ${name}`) && scene.names().length === 3,
  )
  const fresh = await scene.restart()
  expect(fresh.list().map(({ name, hash }) => [name, hash])).toEqual(
    scene.skills.list().map(({ name, hash }) => [name, hash]),
  )
})

test('of two places with one name the same one wins, whichever came last', async () => {
  const scene = await openSkills({ 'notes.md': skillText('notes', { body: 'the file' }) }, live)
  scene.write({ 'notes/SKILL.md': skillText('notes', { body: 'the folder' }) })
  await scene.sees('the folder has the name', () => body(scene, 'notes') === 'the folder')
  rmSync(join(scene.dir, 'notes'), { recursive: true })
  await scene.sees('the file has it again', () => body(scene, 'notes') === 'the file')
})

test('a script beside its structured skill is part of it', async () => {
  const toml = 'name = "deploy"\ndescription = "D"\nkind = "Structured"\nscript_path = "deploy.sh"\n[triggers]\n'
  const scene = await openSkills({ 'deploy.toml': toml, 'deploy.sh': 'echo one' }, live)
  const { hash } = scene.skills.find('deploy') ?? {}
  scene.write({ 'deploy.sh': 'echo two' })
  await scene.sees('its content is another', () => scene.skills.find('deploy')?.hash !== hash)
  rmSync(join(scene.dir, 'deploy.sh'))
  await scene.sees('it is broken', () => scene.skills.find('deploy')?.error !== null)
})

test('what changes in a dependency folder is nobody’s concern, also in a skill of thousands of files', async () => {
  const files: Record<string, string> = { 'big/SKILL.md': skillText('big', { body: 'one' }) }
  for (let index = 0; index < 5_000; index++) files[`big/references/${index % 50}/${index}.md`] = 'x'
  const scene = await openSkills(files, live)
  for (let index = 0; index < 1_000; index++) scene.write({ [`big/node_modules/p${index}/index.js`]: 'x' })
  scene.write({ 'big/SKILL.md': skillText('big', { body: 'two' }) })
  await eventually('the change is live', () => body(scene, 'big') === 'two', 20_000)
  expect(scene.skills.find('big')?.files).toHaveLength(5_001)
}, 60_000)

test('another folder is followed when the configuration names it, and none when reloading is turned off', async () => {
  const scene = await openSkills({ 'notes/SKILL.md': skillText('notes') }, live)
  const other = temporaryFolder()
  scene.settings.dir = other
  await scene.skills.follow()
  expect(scene.names()).toEqual([])
  scene.write({ 'late/SKILL.md': skillText('late') })
  mkdirSync(join(other, 'here'))
  writeFileSync(join(other, 'here/SKILL.md'), skillText('here'))
  await eventually('the other folder’s', () => scene.names().join() === 'here')
  scene.settings.hotReload = false
  await scene.skills.follow()
  writeFileSync(join(other, 'here/SKILL.md'), skillText('here', { body: 'unseen' }))
  expect(await scene.skills.reload()).toMatchObject({ updated: 1 })
})

test('what is saved while the folder is read for the first time is live as well', async () => {
  const scene = await openSkills({}, live)
  const other = temporaryFolder()
  const names = Array.from({ length: 300 }, (_, at) => `s-${at}`)
  writeFiles(other, Object.fromEntries(names.map((name) => [`${name}/SKILL.md`, skillText(name)])))
  scene.settings.dir = other
  const followed = scene.skills.follow()
  await eventually('it is being read', () => scene.names().length > 0)
  expect(scene.names().length).toBeLessThan(names.length)
  writeFiles(other, { 'a-late/SKILL.md': skillText('a-late') })
  await followed
  await scene.sees('the late one is live', () => scene.names().includes('a-late'))
}, 30_000)
