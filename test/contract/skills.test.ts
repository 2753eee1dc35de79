import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import { EventFollower } from '../support/event-follower.ts'
import { skillText, writeFiles } from '../support/skills-scene.ts'

let keel: Daemon
let dir: string

beforeAll(async () => {
  keel = await startDaemon({ config: '[skills]\nhot_reload = false\n' })
  dir = join(keel.home, 'skills')
}, 30_000)

afterAll(() => keel.dispose())

beforeEach(async () => {
  for (const entry of readdirSync(dir)) rmSync(join(dir, entry), { recursive: true })
  await keel.client.skills.reloadSkills()
  await keel.client.skills.repairSkills()
})

const json = { 'content-type': 'application/json' }
async function call(method: string, path: string, body?: unknown) {
  const init = body === undefined ? { method } : { method, headers: json, body: JSON.stringify(body) }
  const answer = await keel.fetch(`/api/skills${path}`, init)
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
}

async function install(files: Record<string, string>) {
  writeFiles(dir, files)
  return keel.client.skills.reloadSkills()
}

const notes = { 'notes/SKILL.md': skillText('notes', { more: 'extra: kept\n' }), 'notes/references/a.md': 'More.' }

test('an empty folder has the built-in ones, all on, in order', async () => {
  const { skills } = await keel.client.skills.listSkills()
  expect(skills).toHaveLength(25)
  expect(skills.every(({ enabled, built_in, kind }) => enabled && built_in && kind === 'builtin')).toBe(true)
  const names = skills.map(({ name }) => name)
  expect(names).toContain('supervisor-protocol')
  expect(names).toEqual([...names].sort())
  expect(await keel.client.skills.reloadSkills()).toMatchObject({ reloaded: true, scanned: 0, rejected: 0, issues: [] })
})

test('a built-in one can be read by its id and its name, and neither deleted, disabled nor trusted', async () => {
  for (const id of ['builtin:introspection', 'introspection', 'Introspection'])
    expect(await keel.client.skills.getSkill({ params: { id } })).toMatchObject({
      id: 'builtin:introspection',
      body: expect.stringContaining('GET /api/turns'),
    })
  expect(await call('DELETE', '/context-continuity')).toMatchObject({
    status: 403,
    body: { error: 'skill context-continuity is built-in and cannot be deleted' },
  })
  expect(await call('PUT', '/context-continuity/toggle')).toMatchObject({
    status: 403,
    body: { error: 'skill context-continuity is built-in and cannot be disabled' },
  })
  expect(await call('POST', '/context-continuity/trust', {})).toMatchObject({ status: 403 })
})

test('a skill has all that clients read, under its id and its name', async () => {
  expect(await install(notes)).toMatchObject({
    scanned: 1,
    added: 1,
    updated: 0,
    rejected: 0,
    unchanged: 0,
    removed: 0,
  })
  const listed = (await keel.client.skills.listSkills()).skills.find(({ name }) => name === 'notes')
  expect(listed).toMatchObject({
    kind: 'instruction',
    description: 'What notes does.',
    risk_level: 'Caution',
    enabled: true,
    built_in: false,
    version: '0.0.0',
    author: 'local',
    registry_source: 'local',
    drift_status: 'in_sync',
    trusted: false,
    priority: 5,
  })
  const detail = await keel.client.skills.getSkill({ params: { id: listed?.id ?? '' } })
  expect(detail).toMatchObject({
    content: notes['notes/SKILL.md'],
    body: 'Do it.',
    frontmatter: { name: 'notes', extra: 'kept' },
    triggers_json: '{"keywords":[],"tool_names":[],"regex_patterns":[]}',
    tool_chain_json: null,
    source_path: join(dir, 'notes/SKILL.md'),
    content_hash: expect.stringMatching(/^[0-9a-f]{64}$/),
  })
  expect(detail.files.map(({ path }) => path)).toEqual(['SKILL.md', 'references/a.md'])
  expect(await keel.client.skills.getSkill({ params: { id: 'notes' } })).toEqual(detail)
})

test.each([
  ['GET', '/nobody', undefined],
  ['DELETE', '/nobody', undefined],
  ['PUT', '/nobody/toggle', undefined],
  ['POST', '/nobody/trust', {}],
  ['GET', '/..%2f..%2fetc%2fpasswd', undefined],
  ['GET', '/__proto__', undefined],
])('%s %s is not found', async (method, path, body) => {
  const answer = await call(method, path, body)
  expect(answer.status).toBe(404)
  expect(answer.body.error).toContain('not found')
})

test('a reload counts what is new, changed, gone and rejected', async () => {
  await install(notes)
  writeFiles(dir, {
    'notes/SKILL.md': skillText('notes', { description: 'Another.' }),
    'chain.toml':
      'name = "chain"\ndescription = "D"\nkind = "Structured"\n[triggers]\n[[tool_chain]]\ntool_name = "read_file"\n',
    'other/SKILL.md': skillText('other'),
  })
  const reload = await keel.client.skills.reloadSkills()
  expect(reload).toMatchObject({ scanned: 3, added: 1, updated: 1, rejected: 1 })
  expect(reload.issues).toEqual([
    "rejected skill 'chain.toml': it has a tool chain, and skills.tool_chains_enabled is false",
  ])
  expect(await keel.client.skills.getSkill({ params: { id: 'notes' } })).toMatchObject({ description: 'Another.' })
  rmSync(join(dir, 'other'), { recursive: true })
  expect(await keel.client.skills.reloadSkills()).toMatchObject({ removed: 1, unchanged: 1 })
  const other = await keel.client.skills.getSkill({ params: { id: 'other' } })
  expect(other).toMatchObject({ drift_status: 'missing_on_disk', enabled: false, content: null })
})

test('toggle flips, or sets what the body says', async () => {
  await install(notes)
  const { id } = await keel.client.skills.getSkill({ params: { id: 'notes' } })
  expect(await call('PUT', `/${id}/toggle`)).toEqual({ status: 200, body: { id, enabled: false } })
  expect(await call('PUT', `/${id}/toggle`, { enabled: false })).toEqual({ status: 200, body: { id, enabled: false } })
  expect(await call('PUT', `/${id}/toggle`)).toEqual({ status: 200, body: { id, enabled: true } })
  expect(await call('PUT', `/${id}/toggle`, { enabled: 'yes' })).toMatchObject({
    status: 400,
    body: { error: expect.stringContaining('enabled') },
  })
})

test('what is deleted goes to the trash and stays deleted, or is purged; the event tells', async () => {
  await install({ ...notes, 'other/SKILL.md': skillText('other') })
  const { id } = await keel.client.skills.getSkill({ params: { id: 'notes' } })
  const follower = new EventFollower(keel)
  await follower.connect()
  expect(await call('DELETE', `/${id}`)).toEqual({ status: 200, body: { id, name: 'notes', deleted: true } })
  expect(await keel.client.skills.reloadSkills()).toMatchObject({ scanned: 1 })
  const [trashed = ''] = readdirSync(join(dir, '.trash'))
  expect(trashed).toMatch(/^\d{4}-.*-notes$/)
  expect(existsSync(join(dir, '.trash', trashed, 'references/a.md'))).toBe(true)
  expect(await call('DELETE', '/other?purge=true')).toMatchObject({ status: 200 })
  expect(readdirSync(join(dir, '.trash'))).toHaveLength(1)
  expect(await call('GET', '/notes')).toMatchObject({ status: 404 })
  await expect
    .poll(() => follower.events.filter(({ type, op }) => type === 'skills_changed' && op === 'delete'))
    .toHaveLength(2)
  await follower.cut()
})

test('trust is bound to the content that was looked at', async () => {
  await install({ ...notes, 'notes/scripts/run.sh': 'echo one' })
  const { id, content_hash } = await keel.client.skills.getSkill({ params: { id: 'notes' } })
  expect(await call('POST', `/${id}/trust`, { hash: 'a'.repeat(64) })).toMatchObject({ status: 409 })
  expect(await call('POST', `/${id}/trust`, { hash: content_hash })).toMatchObject({
    status: 200,
    body: { trusted: true, hash: content_hash },
  })
  writeFiles(dir, { 'notes/scripts/run.sh': 'echo two' })
  const tampered = await keel.client.skills.auditSkills()
  expect(tampered.skills).toMatchObject([{ name: 'notes', drift_status: 'drifted', trusted: false }])
  expect(tampered.skills[0]?.drift_reason).toContain('scripts/run.sh changed')
  expect(await call('POST', `/${id}/trust`, {})).toMatchObject({
    status: 409,
    body: { error: expect.stringContaining('changed on disk') },
  })
  await keel.client.skills.reloadSkills()
  expect(await keel.client.skills.getSkill({ params: { id } })).toMatchObject({ kind: 'scripted', trusted: false })
  expect(await call('POST', `/${id}/trust`, {})).toMatchObject({ status: 200 })
  expect(await call('POST', `/${id}/trust`, { trusted: false })).toMatchObject({ body: { trusted: false } })
})

test('the audit has figures, tools and each skill’s verdict, and uses nobody’s rate', async () => {
  await install({ ...notes, 'untidy/SKILL.md': 'No front matter.', 'bad/SKILL.md': '' })
  writeFiles(dir, { 'late/SKILL.md': skillText('late') })
  for (let round = 0; round < 40; round++) await keel.client.skills.auditSkills()
  const audit = await keel.client.skills.auditSkills()
  expect(audit.skills_dir).toBe(dir)
  expect(audit.summary).toEqual({ db_skills: 2, disk_skills: 4, drifted_skills: 0 })
  expect(audit.runtime.registered_tools).toContain('read_file')
  expect(audit.runtime.capabilities).toContainEqual({
    tool_name: 'read_file',
    present: true,
    risk_level: 'Caution',
    creator_allowed: true,
    external_allowed: false,
    approval_classification: expect.stringMatching(/^(?:Safe|Gated)$/),
  })
  expect(audit.skills.map(({ name, verdict }) => [name, verdict])).toEqual([
    ['notes', 'clean'],
    ['untidy', 'findings'],
  ])
  expect(audit.untracked).toEqual([
    { name: 'bad', path: join(dir, 'bad'), reason: 'SKILL.md is empty' },
    { name: 'late', path: join(dir, 'late'), reason: 'it has not been read yet: reload' },
  ])
})

test('a repair takes up what has drifted and forgets what is gone, but not what is broken', async () => {
  await install({ ...notes, 'gone/SKILL.md': skillText('gone'), 'bad/SKILL.md': skillText('bad') })
  writeFiles(dir, { 'notes/references/a.md': 'Changed.', 'bad/SKILL.md': '' })
  rmSync(join(dir, 'gone'), { recursive: true })
  const { body } = await call('POST', '/audit/repair')
  expect(body).toEqual({
    reloaded: ['bad', 'notes'],
    forgotten: ['gone'],
    issues: ["rejected skill 'bad': SKILL.md is empty"],
  })
  const { skills } = await keel.client.skills.auditSkills()
  expect(skills.map(({ name, drift_status }) => [name, drift_status])).toEqual([
    ['bad', 'invalid_metadata'],
    ['notes', 'in_sync'],
  ])
})

test('a broken skill says why wherever it is shown', async () => {
  await install(notes)
  writeFiles(dir, { 'notes/SKILL.md': '---\nname: notes\nno end' })
  const error = 'The front matter is not ended by a line of "---".'
  expect((await keel.client.skills.reloadSkills()).issues).toEqual([`rejected skill 'notes': ${error}`])
  const standing = { name: 'notes', error, drift_status: 'invalid_metadata', description: 'What notes does.' }
  expect((await keel.client.skills.listSkills()).skills).toContainEqual(expect.objectContaining(standing))
  expect(await keel.client.skills.getSkill({ params: { id: 'notes' } })).toMatchObject({ ...standing, body: 'Do it.' })
  const { skills } = await keel.client.skills.auditSkills()
  expect(skills).toMatchObject([{ drift_status: 'invalid_metadata', drift_reason: expect.stringContaining(error) }])
  const { events } = await keel.client.events.listEvents({ query: {} })
  expect(events).toContainEqual(
    expect.objectContaining({ type: 'skill_failed', skill: 'notes', error, last_good: true }),
  )
})

test('literal segments reach their own routes', async () => {
  expect((await call('GET', '/catalog')).body).toHaveProperty('items')
  expect((await call('GET', '/audit')).body).toHaveProperty('summary')
})
