import { describe, expect, test } from 'vitest'
import type { HostSession } from '#kernel/plugins/host/host-function.ts'
import { httpFunctions } from '#kernel/plugins/host/http-fetch.ts'
import { HostCalls } from '#kernel/plugins/host-calls.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { secretReference } from '#sdk/services/sandbox.ts'
import type { FetchRequest } from '#sdk/services/tools.ts'

const key = 'the-value-of-the-key'
const reference = secretReference('KEY')

function scene({ echo = '', hosts = ['api.example.org', '*.example.net', 'http://127.0.0.1:8080'], left = 10 } = {}) {
  const sent: FetchRequest[] = []
  const tools = {
    fetch: async (request: FetchRequest) => {
      sent.push(request)
      return { status: 200, url: request.url, headers: { link: echo }, body: echo, truncated: false }
    },
  }
  const secrets = [
    { name: 'KEY', hosts: ['api.example.org'] },
    { name: 'UNSET', hosts: ['api.example.org'] },
  ]
  const calls = new HostCalls(
    httpFunctions({ tools, secretOf: (plugin, name) => (plugin === 'a' && name === 'KEY' ? key : undefined) }),
  )
  const session: HostSession = {
    plugin: 'a',
    grants: { hosts, secrets },
    allowed: new Set(['http.fetch']),
    signal: new AbortController().signal,
    left,
    used: new Map(),
    effects: false,
  }
  calls.open('call', session)
  const fetch = (...args: unknown[]) => calls.perform({ call_id: 'call', name: 'http.fetch', args })
  return { sent, session, calls, fetch }
}

describe('hosts', () => {
  test.each([
    'https://api.example.org/a?b',
    'https://api.example.org:443/',
    'https://x.example.net/',
    'http://127.0.0.1:8080/',
  ])('%s is one of the plugin’s', async (url) => {
    const { fetch, sent } = scene()
    await fetch(url)
    expect(sent).toMatchObject([
      { url: new URL(url).href, method: 'GET', body: null, only_hosts: scene().session.grants.hosts },
    ])
  })

  test.each([
    'https://example.org/',
    'https://api.example.org.evil.com/',
    'https://api.example.org@evil.com/',
    'https://evil.com/?api.example.org',
    'https://example.net/',
    'https://api.example.org:8443/',
    'http://api.example.org/',
    'https://127.0.0.1:8080/',
    'ftp://api.example.org/',
    'file:///etc/passwd',
    'not a url',
  ])('%s is none of them, and nothing is sent', async (url) => {
    const { fetch, sent } = scene()
    await expect(fetch(url)).rejects.toThrow("none of the plugin's hosts")
    expect(sent).toEqual([])
  })

  test('a private address may be reached where the manifest spells it out, and no name that means one', async () => {
    const { fetch, sent } = scene({ hosts: ['http://127.0.0.1:8080', 'localhost', 'inner.example.org'] })
    await fetch('http://127.0.0.1:8080/')
    expect(sent[0]?.allowed_hosts).toEqual(['127.0.0.1:8080', 'localhost'])
  })

  test('without any granted host nothing is', async () => {
    await expect(scene({ hosts: [] }).fetch('https://api.example.org/')).rejects.toThrow('it was granted none')
  })
})

describe('secrets', () => {
  test('take the place of their reference in a header', async () => {
    const { fetch, sent } = scene()
    await fetch('https://api.example.org/', { headers: { authorization: `Bearer ${reference}` } })
    expect(sent[0]?.headers).toEqual({ authorization: `Bearer ${key}` })
  })

  test('stay away from address and body', async () => {
    const { fetch, sent } = scene()
    await fetch(`https://api.example.org/?k=${reference}`, { method: 'POST', body: reference })
    expect(JSON.stringify(sent)).not.toContain(key)
  })

  test('go to their own hosts and no other of the plugin', async () => {
    const { fetch, sent } = scene()
    const headers = { 'x-key': reference }
    await expect(fetch('https://x.example.net/', { headers })).rejects.toThrow('KEY is not for x.example.net')
    expect(sent).toEqual([])
  })

  test('that are not set, or not the plugin’s, are nothing', async () => {
    const { fetch, sent } = scene()
    const ask = (name: string) => fetch('https://api.example.org/', { headers: { 'x-key': secretReference(name) } })
    await expect(ask('UNSET')).rejects.toThrow('keel plugin secret a UNSET')
    await ask('OTHER')
    expect(sent.map(({ headers }) => headers['x-key'])).toEqual([secretReference('OTHER')])
  })

  test('come back as their references from a server that repeats what it was asked with', async () => {
    const { fetch } = scene({ echo: `you sent Bearer ${key}` })
    const answer = await fetch('https://api.example.org/', { headers: { authorization: `Bearer ${reference}` } })
    expect(JSON.stringify(answer)).not.toContain(key)
    expect(answer).toMatchObject({ body: `you sent Bearer ${reference}` })
  })
})

test('headers that say who speaks are not the guest’s', async () => {
  const { fetch, sent } = scene()
  const headers = {
    Host: 'evil.com',
    Cookie: 'a',
    'X-Forwarded-For': '1.2.3.4',
    'Proxy-Authorization': 'x',
    accept: 'b',
  }
  await fetch('https://api.example.org/', { headers })
  expect(sent[0]?.headers).toEqual({ accept: 'b' })
})

test.each([
  [['https://api.example.org/', { method: 'TRACE' }], 'method'],
  [['https://api.example.org/', { headers: { 'a b': 'c' } }], 'headers'],
  [['https://api.example.org/', { headers: { a: 'x'.repeat(5_000) } }], 'headers'],
  [['https://api.example.org/', { body: 7 }], 'body'],
  [[7], 'url'],
  [[], 'url'],
])('%# a wrong argument is named', async (args, field) => {
  await expect(scene().fetch(...args)).rejects.toThrow(field)
})

test('what changes something is known for it', async () => {
  const { fetch, session } = scene()
  await fetch('https://api.example.org/', { method: 'head' })
  expect(session.effects).toBe(false)
  await fetch('https://api.example.org/', { method: 'post' })
  expect(session.effects).toBe(true)
})

describe('whatever the sandbox says', () => {
  test('a function that was not granted, or that there is none of, is refused', async () => {
    const { calls } = scene()
    for (const name of ['kv.get', 'constructor', '__proto__', 'toString'])
      await expect(calls.perform({ call_id: 'call', name, args: [] })).rejects.toThrow('was not granted to a')
  })

  test('a call that is over, or never was, has nothing', async () => {
    const { calls, session } = scene()
    calls.open('other', session).close()
    for (const call_id of ['other', 'none'])
      await expect(calls.perform({ call_id, name: 'http.fetch', args: [] })).rejects.toThrow('the call is over')
  })

  test('no more is done for a call than its quota', async () => {
    const { fetch, sent } = scene({ left: 2 })
    await fetch('https://api.example.org/')
    await fetch('https://api.example.org/')
    await expect(fetch('https://api.example.org/')).rejects.toThrow(RuntimeError)
    expect(sent).toHaveLength(2)
  })
})
