import { generateKeyPairSync } from 'node:crypto'
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readSkill } from '#kernel/skills/read-skill.ts'
import { type Daemon, eventually, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { runKeel } from '../support/run-keel.ts'
import { skillText, writeFiles } from '../support/skills-scene.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

const folder = mkdtempSync(join(tmpdir(), 'keel-author-'))
const { publicKey, privateKey } = generateKeyPairSync('ed25519')
const key = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32).toString('base64')

let upstream: Upstream
let keel: Daemon

beforeAll(async () => {
  upstream = await startUpstream((request) => {
    const { messages } = request.body as { messages: { role: string; content: string }[] }
    const last = messages.at(-1)
    if (last?.role === 'tool') return { text: `It says: ${/due .*/.exec(last.content)?.[0] ?? last.content}` }
    return { toolCalls: [{ name: 'run_script', arguments: '{"path":"tax-dates/scripts/next.sh","args":["vat"]}' }] }
  })
  keel = await startDaemon({
    config: upstreamConfig(upstream.url, `[update]\nregistry_url = "${folder}/catalog"\nregistry_keys = ["${key}"]\n`),
  })
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  await upstream.close()
  rmSync(folder, { recursive: true, force: true })
})

async function command(...args: string[]) {
  const { code, output } = await runKeel(['skill', ...args], { home: keel.home, cwd: folder, env: { NO_COLOR: '1' } })
  return { code, output }
}

const skill = () => keel.client.skills.getSkill({ params: { id: 'tax-dates' } })

test('an author comes from a new folder to a script that the agent runs', async () => {
  const source = join(folder, 'tax-dates')
  expect(await command('new', '../tax-dates')).toMatchObject({
    code: 1,
    output: expect.stringContaining('lower-case letters'),
  })
  expect(await command('new', 'tax-dates')).toMatchObject({ code: 0 })
  expect((await readSkill(source)).findings).toEqual([])
  expect(await command('new', 'tax-dates')).toMatchObject({
    code: 1,
    output: expect.stringContaining('has a SKILL.md already'),
  })
  writeFiles(source, {
    'SKILL.md': skillText('tax-dates', { more: 'triggers:\n  keywords: [vat]\n', body: 'Run scripts/next.sh.' }),
    'scripts/next.sh': '#!/bin/sh\necho "due $1 on the tenth"\n',
  })
  chmodSync(join(source, 'scripts/next.sh'), 0o755)
  expect(await command('install', source)).toMatchObject({
    code: 0,
    output: expect.stringContaining('tax-dates is installed'),
  })
  await eventually('it is live', async () => (await command('list')).output.includes('tax-dates'))
  expect((await command('list')).output).toMatch(/tax-dates\s+scripted\s+on\s+not trusted\s+local/)
  expect((await command('list', '--all')).output).toContain('introspection')
  expect(await command('install', source)).toMatchObject({
    code: 1,
    output: expect.stringContaining('is there already'),
  })

  const unasked = await command('trust', 'tax-dates')
  expect(unasked.output).toContain('scripts/next.sh')
  expect((await skill()).trusted).toBe(false)
  expect(await command('trust', 'tax-dates', '--yes')).toMatchObject({
    code: 0,
    output: expect.stringContaining('may run as long as it is'),
  })
  const answer = await keel.client.agent.sendMessage({ body: { content: 'When is VAT due?' } })
  expect(answer).toMatchObject({ content: 'It says: due vat on the tenth', tools_used: ['run_script'] })

  expect(await command('trust', 'tax-dates', '--revoke')).toMatchObject({ code: 0 })
  expect((await skill()).trusted).toBe(false)
  expect(await command('disable', 'tax-dates')).toMatchObject({ code: 0, output: 'tax-dates is off.\n' })
  expect((await skill()).enabled).toBe(false)
  expect(await command('enable', 'tax-dates')).toMatchObject({ code: 0, output: 'tax-dates is on.\n' })
}, 60_000)

test('an operator sees what is broken, repairs what is gone, and removes', async () => {
  writeFileSync(join(keel.home, 'skills/tax-dates/SKILL.md'), '---\nname: tax-dates\n')
  await eventually('it is broken', async () => (await skill()).error !== null)
  const why = 'The front matter is not ended'
  for (const args of [['list'], ['show', 'tax-dates'], ['audit']])
    expect((await command(...args)).output).toContain(why)
  expect((await command('reload')).output).toContain(why)
  writeFileSync(join(keel.home, 'skills/tax-dates/SKILL.md'), skillText('tax-dates'))
  await eventually('it is mended', async () => (await skill()).error === null)
  expect((await command('audit')).output).toMatch(/tax-dates\s+in_sync\s+not trusted\s+clean/)
  expect(await command('remove', 'tax-dates')).toMatchObject({ code: 0 })
  expect(readdirSync(join(keel.home, 'skills/.trash'))).toEqual([expect.stringContaining('tax-dates')])
  expect(await command('show', 'tax-dates')).toMatchObject({ code: 1, output: expect.stringContaining('not found') })
  writeFiles(join(keel.home, 'skills'), { 'short/SKILL.md': skillText('short') })
  await eventually('it is live', async () => (await command('list')).output.includes('short'))
  rmSync(join(keel.home, 'skills/short'), { recursive: true })
  await eventually('it is missing', async () => (await command('list')).output.includes('missing'))
  expect((await command('audit', '--repair')).output).toContain('Forgotten: short.')
}, 60_000)

test('a catalog is made, signed, listed, and installed off until it is enabled', async () => {
  writeFileSync(join(folder, 'key.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
  writeFiles(join(folder, 'shelf'), { 'notes/SKILL.md': skillText('notes', { more: 'version: 2.1.0\n' }) })
  const build = ['catalog-build', join(folder, 'shelf'), join(folder, 'catalog')]
  expect(await command(...build)).toMatchObject({ code: 0, output: expect.stringContaining('lists 1 skills.') })
  expect((await command('catalog')).output).toContain('is not signed')
  expect((await command(...build, '--key', join(folder, 'key.pem'))).output).toContain('lists 1 skills and is signed.')
  expect((await command('catalog')).output).toMatch(/notes\s+2\.1\.0\s+–\s+default\s+What notes does\./)
  expect((await command('catalog', 'nothing-like-it')).output).toContain('No catalog offers such a skill.')
  expect(await command('install', 'nobody')).toMatchObject({
    code: 1,
    output: expect.stringContaining('no matching catalog skills found'),
  })
  expect((await command('install', 'notes')).output).toContain('off until: keel skill enable NAME')
  expect((await command('list')).output).toMatch(/notes\s+instruction\s+off/)
  expect(await command('enable', 'notes')).toMatchObject({ code: 0 })
  // An archive of the catalog is as good as its folder.
  expect(await command('remove', 'notes')).toMatchObject({ code: 0 })
  expect((await command('install', join(folder, 'catalog/skills/notes-2.1.0.zip'))).output).toContain(
    'notes is installed',
  )
  expect(existsSync(join(keel.home, 'skills/notes/SKILL.md'))).toBe(true)
}, 60_000)
