import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { skillsHandlers } from '#kernel/areas/skills.ts'
import { buildCatalog } from '#kernel/skills/catalog/build-catalog.ts'
import { Catalogs, type RegistrySettings } from '#kernel/skills/catalog/catalog.ts'
import { skillsRoutes } from '#sdk/contracts/skills.ts'
import { createClient } from '#sdk/http-client.ts'
import { signedText } from '#sdk/skill-catalog.ts'
import { startHttpKernel, testKey } from '../support/http-kernel.ts'
import { type RawEntry, rawZip } from '../support/raw-zip.ts'
import { openSkills, skillText, writeFiles } from '../support/skills-scene.ts'
import { temporaryFolder } from '../support/temp-store.ts'

interface CatalogServer {
  url: string
  /** What is offered, by path. */
  files: Map<string, Buffer>
  requests: { path: string; ifNoneMatch: string | undefined; status: number }[]
  /** Answers everything with this status, if set. */
  fails: number | undefined
}

/** A web server with a folder of files, which knows ETags. */
async function serve(): Promise<CatalogServer> {
  const catalog: CatalogServer = { url: '', files: new Map(), requests: [], fails: undefined }
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    const bytes = catalog.files.get(path)
    const etag = bytes && `"${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}"`
    const ifNoneMatch = request.headers['if-none-match']
    const status = catalog.fails ?? (!bytes ? 404 : ifNoneMatch === etag ? 304 : 200)
    catalog.requests.push({ path, ifNoneMatch, status })
    response.writeHead(status, etag ? { etag } : {}).end(status === 200 ? bytes : 'an error page')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => new Promise<void>((resolve) => void server.close(() => resolve())))
  catalog.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/skills/catalog.json`
  return catalog
}

const noTools = { list: () => [], find: () => undefined, findOf: () => undefined }

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

/** Offers archives by name, as `keel skill catalog-build` would. */
function offer(catalog: CatalogServer, skills: Record<string, RawEntry[]>, change: Record<string, object> = {}) {
  const entries = Object.entries(skills).map(([name, files]) => {
    const bytes = rawZip(files)
    catalog.files.set(`/skills/${name}.zip`, bytes)
    return {
      name,
      version: '1.0.0',
      description: `About ${name}.`,
      path: `${name}.zip`,
      sha256: sha256(bytes),
      ...change[name],
    }
  })
  const manifest = { version: '7', skills: entries }
  catalog.files.set('/skills/catalog.json', Buffer.from(JSON.stringify(manifest)))
  return manifest
}

const notes = (body = 'Do it.'): RawEntry[] => [
  { name: 'SKILL.md', content: skillText('notes', { body }) },
  { name: 'scripts/run.sh', content: 'echo' },
]

async function scene(change: Partial<RegistrySettings> = {}, files: Record<string, string> = {}) {
  const opened = await openSkills(files)
  const settings: RegistrySettings = { registry_url: '', registries: [], registry_keys: [], ...change }
  const catalogs = new Catalogs(() => settings)
  const over = async (from: Catalogs) => {
    const context = { ...opened, catalogs: from, toolbox: noTools, dryJudge: () => expect.unreachable() }
    const kernel = await startHttpKernel({ skills: { table: skillsRoutes, handlers: skillsHandlers } }, context)
    onTestFinished(() => kernel.close())
    return createClient({ url: kernel.url, apiKey: testKey }).skills
  }
  const client = await over(catalogs)
  return {
    ...opened,
    settings,
    list: (q?: string) => client.listCatalog({ query: q === undefined ? {} : { q } }),
    install: (skills: string[], activate = false) => client.installCatalogSkills({ body: { skills, activate } }),
    activate: (skills: string[]) => client.activateCatalogSkills({ body: { skills } }),
    /** As after a new start, when no manifest is remembered. */
    forgetful: () => over(new Catalogs(() => settings)),
    /** What lies in the skills folder. */
    entries: () => readdirSync(opened.dir).sort(),
  }
}

async function offered(from: Awaited<ReturnType<typeof scene>>) {
  return (await from.list()).items.filter((item) => item.source === 'registry')
}

test('without a catalog the built-in ones are listed, and searched by name and description', async () => {
  const { list } = await scene()
  expect((await list()).items).toHaveLength(25)
  expect((await list('MAIL')).items.map(({ name }) => name)).toEqual(['himalaya-email'])
})

test('a catalog is installed whole, off until it is activated, with its origin', async () => {
  const catalog = await serve()
  offer(catalog, { notes: notes() })
  const to = await scene({ registry_url: catalog.url })
  expect(await offered(to)).toMatchObject([
    {
      name: 'notes',
      version: '1.0.0',
      description: 'About notes.',
      registry: 'default',
      installed: false,
      installed_version: null,
    },
  ])
  expect(await to.install(['notes', 'nobody'])).toMatchObject({
    ok: true,
    version: '7',
    installed: ['notes.zip'],
    not_found: ['nobody'],
    activated: false,
    activation: null,
  })
  expect(to.skills.find('notes')).toMatchObject({ enabled: false, trusted_hash: null, registry_source: 'default' })
  expect(await offered(to)).toMatchObject([{ installed: true }])
  expect(await to.activate(['notes'])).toMatchObject({ requested_skills: ['notes'], activated: ['notes'] })
  expect(to.skills.find('notes')?.enabled).toBe(true)
  await expect(to.activate(['nobody'])).rejects.toMatchObject({ kind: 'not_found' })
  expect(to.entries()).toEqual(['.staging', 'notes'])
  expect(to.events).toContainEqual(expect.objectContaining({ type: 'skills_changed', op: 'install' }))
})

test('single files in the form of other runtimes are installed as well', async () => {
  const catalog = await serve()
  const text = Buffer.from(skillText('rust-review'))
  catalog.files.set('/skills/packs/rust-review.md', text)
  const manifest = {
    version: '0.9',
    packs: { skills: { sha256: null, path: 'packs/', files: { 'rust-review.md': sha256(text) } } },
  }
  catalog.files.set('/skills/catalog.json', Buffer.from(JSON.stringify(manifest)))
  const to = await scene({ registry_url: catalog.url })
  expect(await to.install(['rust-review.md'], true)).toMatchObject({
    installed: ['rust-review.md'],
    activated: true,
    activation: { added: 1, updated: 0 },
  })
  expect(to.skills.find('rust-review')).toMatchObject({ enabled: true })
})

test.each<[string, (catalog: CatalogServer) => void, object]>([
  [
    'another content than the manifest says',
    (catalog) => catalog.files.set('/skills/bad.zip', rawZip(notes('swapped'))),
    { kind: 'invalid', message: 'checksum mismatch for bad.zip' },
  ],
  [
    'a file that is not there',
    (catalog) => catalog.files.delete('/skills/bad.zip'),
    { kind: 'upstream_failed', message: expect.stringContaining('answered 404') },
  ],
  [
    'an archive that leads out',
    (catalog) => offer(catalog, { notes: notes(), bad: [{ name: '../../evil.md', content: 'x' }] }),
    { kind: 'invalid' },
  ],
  [
    'a link in it',
    (catalog) =>
      offer(catalog, { notes: notes(), bad: [{ name: 'SKILL.md', content: '/etc/passwd', mode: 0o120777 }] }),
    { kind: 'invalid' },
  ],
  [
    'an archive without a skill',
    (catalog) => offer(catalog, { notes: notes(), bad: [{ name: 'a.txt', content: 'x' }] }),
    { kind: 'invalid', message: expect.stringContaining('no SKILL.md') },
  ],
  [
    'a path of another place',
    (catalog) => offer(catalog, { notes: notes(), bad: notes() }, { bad: { path: '//example.org/bad.zip' } }),
    { kind: 'invalid', message: expect.stringContaining('invalid filename rejected') },
  ],
  [
    'a path that leads out',
    (catalog) => offer(catalog, { notes: notes(), bad: notes() }, { bad: { path: '../bad.zip' } }),
    { kind: 'invalid', message: expect.stringContaining('invalid filename rejected') },
  ],
  [
    'a hidden file',
    (catalog) => offer(catalog, { notes: notes(), bad: notes() }, { bad: { path: '.bad.zip' } }),
    { kind: 'invalid', message: expect.stringContaining('invalid filename rejected') },
  ],
])('%s: nothing is installed, and what was there stays', async (_, spoil, error) => {
  const catalog = await serve()
  offer(catalog, { notes: notes('new'), bad: [{ name: 'SKILL.md', content: skillText('bad') }] })
  spoil(catalog)
  const to = await scene({ registry_url: catalog.url }, { 'notes/SKILL.md': skillText('notes', { body: 'old' }) })
  const before = to.skills
    .list()
    .map(({ name, hash, enabled, registry_source }) => ({ name, hash, enabled, registry_source }))
  await expect(to.install(['notes', 'bad'], true)).rejects.toMatchObject(error)
  await to.skills.reload()
  expect(to.skills.list()).toMatchObject(before)
  expect(to.skills.missing()).toEqual([])
  expect(to.entries()).toEqual(['.staging', 'notes'])
  expect(readdirSync(join(to.dir, '.staging'))).toEqual([])
})

test('a new version keeps what was decided but for trust; what it replaces is in the trash', async () => {
  const catalog = await serve()
  offer(catalog, { notes: notes('one') })
  const to = await scene({ registry_url: catalog.url })
  await to.install(['notes'], true)
  const { hash = '' } = to.skills.find('notes') ?? {}
  to.skills.setTrusted('notes', hash)
  offer(catalog, { notes: notes('two') })
  const client = await to.forgetful()
  await client.installCatalogSkills({ body: { skills: ['notes'], activate: false } })
  expect(to.skills.find('notes')).toMatchObject({ enabled: true, body: 'two', trusted_hash: hash })
  expect(to.skills.find('notes')?.hash).not.toBe(hash)
  const [old = ''] = readdirSync(join(to.dir, '.trash'))
  expect(readFileSync(join(to.dir, '.trash', old, 'SKILL.md'), 'utf8')).toContain('one')
})

test('a new version that is broken is taken back, and the old one goes on as it was', async () => {
  const catalog = await serve()
  offer(catalog, { notes: notes('one') })
  const to = await scene({ registry_url: catalog.url })
  await to.install(['notes'], true)
  offer(catalog, { notes: [{ name: 'SKILL.md', content: '---\nname: notes\ndescription: a: b\n---\ntwo' }] })
  const client = await to.forgetful()
  await expect(client.installCatalogSkills({ body: { skills: ['notes'], activate: false } })).rejects.toMatchObject({
    kind: 'invalid',
    message: expect.stringContaining('notes.zip is not installed: '),
  })
  expect(to.skills.find('notes')).toMatchObject({ body: 'one', enabled: true, error: null })
  expect(await to.skills.reload()).toMatchObject({ unchanged: 1, rejected: 0 })
  expect(to.entries()).toEqual(['.staging', 'notes'])
})

test('what takes the place of an operator’s own skill, wherever that lay, is off', async () => {
  const catalog = await serve()
  offer(catalog, { notes: notes('theirs') })
  const to = await scene({ registry_url: catalog.url }, { 'notes.md': skillText('notes', { body: 'mine' }) })
  await to.install(['notes'])
  expect(to.skills.find('notes')).toMatchObject({ enabled: false, body: 'theirs', registry_source: 'default' })
  expect(existsSync(join(to.dir, 'notes.md'))).toBe(false)
  expect(readdirSync(join(to.dir, '.trash'))).toEqual([expect.stringMatching(/-notes\.md$/)])
})

test('a manifest is kept for a while, asked for by its ETag, and stands when the registry fails', async () => {
  const catalog = await serve()
  offer(catalog, { notes: notes() })
  let time = 1_000_000
  const settings = { registry_url: catalog.url, registries: [], registry_keys: [] }
  const catalogs = new Catalogs(
    () => settings,
    () => time,
  )
  const ask = async () => (await catalogs.offers()).skills.map(({ name }) => name)
  await ask()
  await ask()
  expect(catalog.requests.map(({ status }) => status)).toEqual([200])
  time += 600_001
  await ask()
  expect(catalog.requests.at(-1)).toMatchObject({ status: 304, ifNoneMatch: expect.stringMatching(/^"/) })
  await ask()
  expect(catalog.requests).toHaveLength(2)
  offer(catalog, { other: notes() })
  time += 600_001
  expect(await ask()).toEqual(['other'])
  catalog.fails = 503
  time += 600_001
  expect(await catalogs.offers()).toMatchObject({
    skills: [{ name: 'other' }],
    error: expect.stringContaining('answered 503'),
  })
})

test('a catalog that does not answer is told, and an install from it fails', async () => {
  const catalog = await serve()
  catalog.fails = 500
  const to = await scene({ registry_url: catalog.url })
  expect(await to.list()).toMatchObject({ registry_error: expect.stringContaining('answered 500') })
  await expect(to.install(['notes'])).rejects.toMatchObject({
    kind: 'upstream_failed',
    message: expect.stringContaining('failed to fetch catalog: '),
  })
  await expect(to.install(['introspection', 'fast-cache.md'])).rejects.toMatchObject({
    kind: 'invalid',
    message: 'cannot install skills that are built-in: introspection, fast-cache.md',
  })
  catalog.fails = undefined
  offer(catalog, { notes: notes() })
  await expect(to.install(['nobody'])).rejects.toMatchObject({
    kind: 'not_found',
    message: 'no matching catalog skills found',
  })
})

test.each([
  ['no JSON', 'hello', 'is not JSON'],
  ['no digest', '{"version":"1","skills":[{"name":"a","path":"a.zip","sha256":"x"}]}', 'expected a SHA-256'],
  ['no version', '{}', 'version'],
])('a manifest with %s is refused with the reason', async (_, text, told) => {
  const catalog = await serve()
  catalog.files.set('/skills/catalog.json', Buffer.from(text))
  const { list } = await scene({ registry_url: catalog.url })
  expect((await list()).registry_error).toContain(told)
})

test('with keys, a manifest counts only as one of them has signed it', async () => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const key = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32).toString('base64')
  const catalog = await serve()
  const manifest = offer(catalog, { notes: notes() })
  const to = await scene({ registry_url: catalog.url, registry_keys: ['bm90IGEga2V5', key] })
  expect((await to.list()).registry_error).toContain('is not signed')
  const put = (value: object) => catalog.files.set('/skills/catalog.json', Buffer.from(JSON.stringify(value)))
  const signature = sign(null, Buffer.from(signedText(manifest)), privateKey).toString('base64')
  put({ ...manifest, version: '8', signature })
  expect((await to.list()).registry_error).toContain('is signed by none')
  // Whatever order the keys come in.
  put({
    signature,
    skills: manifest.skills.map((entry) => Object.fromEntries(Object.entries(entry).reverse())),
    version: '7',
  })
  expect(await offered(to)).toMatchObject([{ name: 'notes' }])
  // What other keys have vouched for is asked for again.
  to.settings.registry_keys = [
    generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'der' }).subarray(-32).toString('base64'),
  ]
  expect(await to.list()).toMatchObject({ registry_error: expect.stringContaining('is signed by none') })
  expect(await offered(to)).toEqual([])
})

test('a folder is a catalog, made and signed by its own command; the higher priority wins', async () => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const [source, first, second] = [temporaryFolder(), temporaryFolder(), temporaryFolder()]
  writeFiles(source, {
    'notes/SKILL.md': skillText('notes', { more: 'version: 1.2.0\n' }),
    'notes/references/a.md': 'more',
    'notes/node_modules/x/index.js': 'x',
    'README.md': 'About.',
  })
  const keyFile = join(temporaryFolder(), 'key.pem')
  writeFileSync(keyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }))
  const built = await buildCatalog(source, first, { version: '3', keyFile })
  expect(built).toMatchObject({ signed: true, skills: [{ name: 'notes', path: 'skills/notes-1.2.0.zip' }] })
  expect((await buildCatalog(source, second, { version: '3' })).skills).toEqual(built.skills)
  const registries = [
    { name: 'low', url: `file://${second}`, priority: 10, enabled: true },
    { name: 'high', url: first, priority: 90, enabled: true },
    { name: 'off', url: '/nowhere', priority: 100, enabled: false },
  ]
  const key = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32).toString('base64')
  const to = await scene({ registries, registry_keys: [key] })
  expect(await offered(to)).toMatchObject([{ name: 'notes', version: '1.2.0', registry: 'high' }])
  expect((await to.list()).registry_error).toContain('low: ')
  await to.install(['notes'])
  expect(to.skills.find('notes')).toMatchObject({ version: '1.2.0', registry_source: 'high', enabled: false })
  expect(to.skills.find('notes')?.files.map(({ path }) => path)).toEqual(['SKILL.md', 'references/a.md'])
})

test('an install that was cut off is undone at the next start', async () => {
  const to = await scene({}, { 'notes/SKILL.md': skillText('notes') })
  writeFiles(to.dir, { '.staging/run/old-other/SKILL.md': skillText('other'), '.staging/run/notes/SKILL.md': 'half' })
  rmSync(join(to.dir, 'other'), { recursive: true, force: true })
  const skills = await to.restart()
  expect(skills.list().map(({ name }) => name)).toEqual(['notes', 'other'])
  expect(existsSync(join(to.dir, '.staging'))).toBe(false)
})
