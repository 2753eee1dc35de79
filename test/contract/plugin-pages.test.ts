import { createHash } from 'node:crypto'
import { linkSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import { sayingPlugin, writePlugin } from '../support/plugin-folder.ts'

const home = mkdtempSync(join(tmpdir(), 'keel-home-'))
const plugins = join(home, 'plugins')
let keel: Daemon

beforeAll(async () => {
  const board = writePlugin(plugins, 'board', {
    ...sayingPlugin('board', 'say', 'hello', '[web]\n'),
    'web/index.html': '<!DOCTYPE html><p>Hello',
    'web/board.js': 'export {}',
    'web/img/dot.svg': '<svg/>',
    'web/.env': 'KEY=1',
    'web/notes.php': '<?php',
    'secret.json': '{}',
  })
  const outside = join(home, 'outside.txt')
  writeFileSync(outside, 'not yours')
  symlinkSync(outside, join(board, 'web', 'link.txt'))
  linkSync(outside, join(board, 'web', 'hard.txt'))
  const linked = writePlugin(plugins, 'linked', sayingPlugin('linked', 'say', 'hello', '[web]\nroot = "site"'))
  symlinkSync(home, join(linked, 'site'))
  writePlugin(plugins, 'plain', sayingPlugin('plain', 'plain', 'hello'))
  writePlugin(plugins, 'asleep', {
    ...sayingPlugin('asleep', 'asleep', 'hello', 'permissions = ["kv"]\n[web]'),
    'web/index.html': 'x',
  })
  keel = await startDaemon({ home })
  await keel.client.plugins.reloadPlugins()
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  rmSync(home, { recursive: true, force: true, maxRetries: 5 })
})

/** As any browser asks, which has no key. */
const get = (path: string) => fetch(keel.url + path)

function policyOf(answer: Response): Map<string, string> {
  const directives = (answer.headers.get('content-security-policy') ?? '').split('; ')
  return new Map(
    directives.map((directive) => [directive.split(' ')[0] ?? '', directive.split(' ').slice(1).join(' ')]),
  )
}

test("a plugin's files have no origin, run no script but their own and talk to nobody", async () => {
  const page = await get('/plugins/board/web/index.html')
  expect(page.status).toBe(200)
  expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8')
  expect(page.headers.get('x-content-type-options')).toBe('nosniff')
  expect(Object.fromEntries(policyOf(page))).toEqual({
    sandbox: 'allow-scripts allow-forms',
    'default-src': "'none'",
    'script-src': "'self'",
    'style-src': "'self'",
    'img-src': "'self' data:",
    'font-src': "'self'",
    'base-uri': "'none'",
    'form-action': "'none'",
    'frame-ancestors': "'self'",
  })
  const script = await get('/plugins/board/web/board.js')
  expect(script.headers.get('content-type')).toBe('text/javascript; charset=utf-8')
  expect(policyOf(script)).toEqual(policyOf(page))
})

test('the page around it is framed by nobody, visits Keel alone, and lets its guest have neither origin nor key', async () => {
  const frame = await get('/plugins/board')
  const html = await frame.text()
  expect(frame.headers.get('x-frame-options')?.toUpperCase()).toBe('DENY')
  const [, style = ''] = /<style>(.*?)<\/style>/s.exec(html) ?? []
  expect(Object.fromEntries(policyOf(frame))).toEqual({
    'default-src': "'none'",
    'script-src': "'self'",
    'style-src': `'sha256-${createHash('sha256').update(style).digest('base64')}'`,
    'connect-src': "'self'",
    'frame-src': "'self'",
    'base-uri': "'none'",
    'form-action': "'none'",
    'frame-ancestors': "'none'",
  })
  expect(html).toContain('sandbox="allow-scripts allow-forms"')
  expect(html).not.toContain('allow-same-origin')
  expect(html).not.toContain(keel.apiKey)
  expect(await (await get('/plugins/frame.js')).text()).not.toContain(keel.apiKey)
})

test.each([
  '/plugins/board/web/link.txt',
  '/plugins/board/web/hard.txt',
  '/plugins/board/web/.env',
  '/plugins/board/web/notes.php',
  '/plugins/board/web/missing.html',
  '/plugins/board/web/..%2Fsecret.json',
  '/plugins/board/web/%2e%2e%2fsecret.json',
  '/plugins/board/web/..%5Csecret.json',
  '/plugins/board/web/%2Fetc%2Fhosts.txt',
  '/plugins/board/web/index.html%00.txt',
  '/plugins/board/web/img/..%2F..%2Fsecret.json',
  '/plugins/linked/web/outside.txt',
  '/plugins/plain/web/plugin.js',
  '/plugins/plain',
  '/plugins/asleep',
  '/plugins/asleep/web/index.html',
  '/plugins/nobody',
  '/plugins/..%2Fplugins',
])('%s is not there', async (path) => {
  const answer = await get(path)
  expect([400, 404]).toContain(answer.status)
  expect(await answer.text()).not.toMatch(/not yours|KEY=1|127\.0\.0\.1|definePlugin/)
})

test('a page is there as long as its plugin is active, and the list says where', async () => {
  const { plugins: all } = await keel.client.plugins.listPlugins()
  expect(all.find(({ name }) => name === 'board')).toMatchObject({ web_path: '/plugins/board' })
  expect(all.find(({ name }) => name === 'plain')).toMatchObject({ web_path: null })
  await keel.client.plugins.disablePlugin({ params: { name: 'board' } })
  expect((await get('/plugins/board')).status).toBe(404)
  expect((await get('/plugins/board/web/index.html')).status).toBe(404)
  await keel.client.plugins.enablePlugin({ params: { name: 'board' } })
  expect((await get('/plugins/board/web/index.html')).status).toBe(200)
})

test('files lie in folders as well', async () => {
  const answer = await get('/plugins/board/web/img/dot.svg')
  expect(answer.status).toBe(200)
  expect(answer.headers.get('content-type')).toBe('image/svg+xml')
})
