import { once } from 'node:events'
import { createServer, type OutgoingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { readableText } from '../../services/tools/readable-text.ts'
import { startTools } from '../support/tools-service.ts'

async function page(body: string | Buffer, headers: OutgoingHttpHeaders = {}, status = 200): Promise<string> {
  const server = createServer((_, response) => response.writeHead(status, headers).end(body)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

const allowed = { allowed_hosts: ['127.0.0.1'] }

test('a page comes as its words, below a warning', async () => {
  const html = '<title>no</title><script>alert(1)</script><h1>Hi</h1><p>One <a href="https://x.example/">two</a></p>'
  const url = await page(html, { 'content-type': 'text/html; charset=utf-8' })
  const { run } = await startTools(allowed)
  const { status, output } = await run('http_get', { url })
  expect(status).toBe('success')
  expect(output.split('\n').slice(0, 2)).toEqual([`Status 200 from ${url}`, 'Content type: text/html; charset=utf-8'])
  expect(output.indexOf('untrusted')).toBeGreaterThan(0)
  expect(output.indexOf('untrusted')).toBeLessThan(output.indexOf('One two (https://x.example/)'))
  expect(output).not.toContain('alert')
  expect(output).toContain('reduced to its words')
})

test('a failure is an error with the page; a cut and a file that is no text are said', async () => {
  const { run } = await startTools(allowed)
  const missing = await run('http_get', { url: await page('{"no":1}', { 'content-type': 'application/json' }, 404) })
  expect(missing.status).toBe('error')
  expect(missing.output).toMatch(/^Status 404.*\{"no":1\}$/s)
  const cut = await run('http_get', { url: await page('abcdef', { 'content-type': 'text/plain' }), max_bytes: 3 })
  expect(cut.output).toMatch(/Only the first 3 bytes were read\..*\nabc$/s)
  const image = await run('http_get', { url: await page(Buffer.from([1, 0, 2]), { 'content-type': 'image/png' }) })
  expect(image).toMatchObject({ status: 'success', output: expect.stringContaining('(3 bytes that are not text') })
})

test('what is private is refused unless the settings name it, from the next call on', async () => {
  const { run, tools, settings } = await startTools()
  const url = await page('inside')
  expect(await run('http_get', { url })).toEqual({
    status: 'error',
    output: "http_get failed: The host '127.0.0.1' is not on the public internet",
  })
  expect(await run('http_get', { url: 'file:///etc/hosts' })).toMatchObject({ status: 'error' })
  await tools.configure({ ...settings, ...allowed })
  expect(await run('http_get', { url })).toMatchObject({ status: 'success', output: expect.stringContaining('inside') })
})

test('text is read in the charset it names, or in UTF-8', () => {
  const read = (body: Buffer, type: string | null) => readableText(body, type)?.text
  expect(read(Buffer.from([0xe4]), 'text/plain; charset="ISO-8859-1"')).toBe('ä')
  expect(read(Buffer.from('ä'), 'text/plain; charset=no-such')).toBe('ä')
  expect(read(Buffer.from('{}'), 'application/problem+json')).toBe('{}')
  expect(read(Buffer.from('a'), null)).toBe('a')
  expect(readableText(Buffer.from('a\0'), null)).toBeUndefined()
  expect(readableText(Buffer.from('a'), 'application/octet-stream')).toBeUndefined()
})

test.each(['<div>', '<ul><li>', '<blockquote>', '<a x=1 ', '<', '<table><tr><td>x'])(
  'a page of %j over and over is read in a bounded time',
  (part) => {
    const html = Buffer.from(part.repeat(Math.floor(1_048_576 / part.length)))
    const started = performance.now()
    expect(readableText(html, 'text/html')?.reduced).toBe(true)
    expect(performance.now() - started).toBeLessThan(3_000)
  },
)
