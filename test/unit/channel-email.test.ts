import { once } from 'node:events'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { AdapterSettings } from '#sdk/services/channels.ts'
import type { Adapter } from '../../services/channels/adapter.ts'
import { provesDomain } from '../../services/channels/adapters/email/authentication-results.ts'
import { writtenText } from '../../services/channels/adapters/email/written-text.ts'
import { createEmail } from '../../services/channels/adapters/email.ts'
import { outboundPart, TestHost } from '../support/adapter-host.ts'
import {
  bytesOf,
  deadline,
  fileOf,
  follow,
  messagesOf,
  placedIn,
  refusalOf,
  running,
  stopAll,
  textsOf,
  toldBy,
} from '../support/adapter-scene.ts'
import { FakeMail, mailPassword, mailToken, mailUser } from '../support/platforms/email.ts'

const ada = 'ada@example.org'

let mail: FakeMail

beforeEach(async () => {
  mail = await FakeMail.start()
})

afterEach(async () => {
  await stopAll()
  await mail.close()
})

function connect(host: TestHost, fields: Partial<AdapterSettings['email']> = {}): Adapter {
  return createEmail(mail.settings(fields), host.host)
}

function connected(host: TestHost, fields?: Partial<AdapterSettings['email']>): Promise<Adapter> {
  return placedIn(host, connect(host, fields))
}

test.each([true, false])('the first start takes nothing old, and everything after; idle is %s', async (idle) => {
  await mail.deliver({ text: 'long ago' })
  const host = new TestHost()
  await connected(host, { imap: { host: '127.0.0.1', port: mail.imap.port, idle, tls: false } })
  const uid = await mail.deliver({ from: '"Ada L." <Ada@Example.org>', messageId: '<one@example.org>', text: 'now\n' })
  await host.until(() => host.updates.length === 1)
  expect(host.updates[0]).toMatchObject({
    type: 'message',
    external_id: `<one@example.org> ${ada}`,
    message_id: '<one@example.org>',
    chat_id: ada,
    thread_id: '<one@example.org>',
    chat_kind: 'direct',
    sender_id: ada,
    sender_name: 'Ada L.',
    text: '[Subject: Hello]\n\nnow',
    addressed: true,
    attachments: [],
  })
  if (!mail.seen().includes(uid)) await once(mail.imap.events, 'seen', { signal: deadline() })
  expect(mail.seen()).toEqual([uid])
})

test('what begins with a slash may be a command, and is without its subject', async () => {
  const host = new TestHost()
  await connected(host)
  await mail.deliver({
    subject: 'Re: write_file waits',
    text: '/status\n\nOn Monday Keel wrote:\n> Answer with /approve\n',
  })
  await host.until(() => host.updates.length === 1)
  expect(textsOf(host)).toEqual(['/status'])
})

test.each([true, false])('a server that does not know IDLE is asked again and again; idle is %s', async (idle) => {
  mail.imap.idles = false
  const host = new TestHost()
  await connected(host, { imap: { host: '127.0.0.1', port: mail.imap.port, idle, tls: false } })
  await mail.deliver({ text: 'one' })
  await host.until(() => host.updates.length === 1)
  expect(mail.imap.commands).not.toContain('IDLE')
})

test('a thread is named by its first message, and keeps its name', async () => {
  const host = new TestHost()
  await connected(host)
  const inReplyTo = '<b@keel.example>'
  await mail.deliver({ messageId: '<c@example.org>', inReplyTo, references: ['<a@example.org>', inReplyTo] })
  await mail.deliver({ messageId: '<d@example.org>', inReplyTo })
  await host.until(() => host.updates.length === 2)
  expect(messagesOf(host).map(({ thread_id }) => thread_id)).toEqual(['<a@example.org>', inReplyTo])
})

const pass = (domain: string) => `mx.keel.example; dmarc=pass header.from=${domain}`

test.each([
  { results: null, from: ada, case: 'nothing was found out' },
  { results: 'mx.keel.example; dmarc=fail header.from=example.org', from: ada, case: 'DMARC failed' },
  { results: pass('evil.example'), from: ada, case: 'DMARC passed for another domain' },
  { results: 'mx.keel.example; dkim=pass header.d=evil.example', from: ada, case: 'another domain signed it' },
  { results: 'mx.keel.example; dkim=pass header.d=sub.example.org', from: ada, case: 'a domain below signed it' },
  { results: 'mx.keel.example; dkim=pass header.d=org', from: ada, case: 'a whole top-level domain signed it' },
  { results: 'mx.keel.example; spf=pass smtp.mailfrom=example.org', from: ada, case: 'the envelope alone was right' },
  {
    results: 'mx.keel.example; dkim=pass header.d=example.org; dmarc=fail header.from=example.org',
    from: ada,
    case: 'DMARC failed though a signature passed',
  },
  {
    results: 'mx.keel.example; spf=pass smtp.mailfrom="; dmarc=pass header.from=example.org "@evil.example',
    from: ada,
    case: 'the proof stands in a quoted address',
  },
  {
    results: 'mx.keel.example; spf=fail (said: ; dmarc=pass header.from=example.org ) smtp.mailfrom=x@evil.example',
    from: ada,
    case: 'the proof stands in a comment',
  },
  { results: 'mx.keel.example; dmarc=pass header.from=example.org (', from: ada, case: 'a comment is left open' },
])('a sender is unknown where $case', async ({ results, from }) => {
  const host = new TestHost()
  const adapter = await connected(host)
  // What the message brings along under the header's name is below what the server wrote.
  const headers: Record<string, string> = results === null ? {} : { 'Authentication-Results': pass('example.org') }
  await mail.deliver({ from, results, headers, messageId: '<x@example.org>' })
  await host.until(() => host.updates.length === 1)
  const unknown = `unverified:${ada}`
  expect(host.updates[0]).toMatchObject({ sender_id: unknown, chat_id: unknown })
  // Nobody is answered: the address may be that of somebody who has nothing to do with it.
  expect(await refusalOf(adapter.send(outboundPart({ chat_id: unknown }), deadline()))).toMatchObject({
    code: 'invalid_chat',
    permanent: true,
  })
})

test.each([
  pass('example.org'),
  'mx.keel.example 1; spf=pass smtp.mailfrom=x@y; dkim=pass (2048-bit key) header.i=@example.org header.b="a;b"',
  'mx.keel.example; dkim=fail header.d=other.example; dkim=pass header.d=example.org; dmarc=none header.from=example.org',
])('a sender is known by %j', async (results) => {
  const host = new TestHost()
  await connected(host)
  await mail.deliver({ results })
  await host.until(() => host.updates.length === 1)
  expect(host.updates[0]).toMatchObject({ sender_id: ada, chat_id: ada })
})

test('a server that does not name itself is believed where the operator says so', () => {
  const unnamed =
    'spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=example.org; dmarc=pass action=none header.from=example.org;'
  expect(provesDomain([unnamed], 'example.org', '*')).toBe(true)
  expect(provesDomain([unnamed], 'example.org', 'mx.keel.example')).toBe(false)
})

test('where the operator has named the server, what any other wrote does not count', () => {
  const headers = ['evil.example; dmarc=pass header.from=example.org', 'MX.keel.example; dmarc=fail']
  expect(provesDomain(headers, 'example.org', '*')).toBe(true)
  expect(provesDomain(headers, 'example.org', 'mx.keel.example')).toBe(false)
  expect(provesDomain([...headers].reverse(), 'example.org', '*')).toBe(false)
  expect(provesDomain([headers[0] ?? ''], 'example.org', 'mx.keel.example')).toBe(false)
})

test('a known Message-ID under another sender’s name does not keep the right message out', async () => {
  const host = new TestHost()
  await connected(host)
  await mail.deliver({ messageId: '<x@example.org>', results: null, text: 'forged' })
  await mail.deliver({ messageId: '<x@example.org>', text: 'real' })
  await mail.deliver({ messageId: '<x@example.org>', text: 'real' })
  await mail.deliver({ text: 'the last' })
  await host.until(() => textsOf(host).some((text) => text.endsWith('the last')))
  expect(messagesOf(host).map(({ sender_id }) => sender_id)).toEqual([`unverified:${ada}`, ada, ada])
})

test('automatic mail, lists, bounces and Keel’s own mail are no updates, and stay unread', async () => {
  const host = new TestHost()
  await connected(host)
  const marks: Record<string, string>[] = [
    { 'Auto-Submitted': 'auto-replied' },
    { 'Auto-Submitted': 'auto-generated (vacation)' },
    { Precedence: 'bulk' },
    { Precedence: 'list' },
    { 'List-Id': '<news.example.org>' },
    { 'List-Unsubscribe': '<https://example.org/u>' },
    { 'Return-Path': '<>' },
    { 'X-Autoreply': 'yes' },
  ]
  for (const headers of marks) await mail.deliver({ headers, text: 'loop' })
  for (const from of [mailUser, 'KEEL@keel.example', 'MAILER-DAEMON@example.org', 'no-reply@example.org']) {
    await mail.deliver({ from, text: 'loop' })
  }
  const uid = await mail.deliver({ headers: { 'Auto-Submitted': 'no' }, text: 'written' })
  await host.until(() => host.updates.length > 0)
  expect(textsOf(host)).toEqual(['[Subject: Hello]\n\nwritten'])
  if (mail.seen().length === 0) await once(mail.imap.events, 'seen', { signal: deadline() })
  expect(mail.seen()).toEqual([uid])
})

test.each([
  {
    given: 'Yes.\n\nOn Mon, 1 Jan 2026 at 10:00, Keel <keel@keel.example>\nwrote:\n> Shall I?\n> Now?\n',
    left: 'Yes.',
  },
  { given: 'Ja.\n\nAm 1.1.2026 um 10:00 schrieb Keel:\n\n> Soll ich?\n', left: 'Ja.' },
  { given: '> Shall I?\n\nYes.\n\n> Now?\n\nNo.', left: '> Shall I?\n\nYes.\n\n> Now?\n\nNo.' },
  { given: 'Yes.\n\n-- \nAda\n+44 1234', left: 'Yes.' },
  { given: 'Yes.\n\nSent from my iPhone', left: 'Yes.' },
  {
    given: 'Yes.\n\n-----Original Message-----\nFrom: Keel\nSent: Monday\nTo: Ada\nSubject: Hi\n\nShall I?',
    left: 'Yes.',
  },
  { given: 'Ja.\n\nVon: Keel <keel@keel.example>\nGesendet: Montag\nAn: Ada\nBetreff: Hi\n\nSoll ich?', left: 'Ja.' },
  {
    given: 'Name: Ada\nCity: London\nPhone: 1\nPlease file this',
    left: 'Name: Ada\nCity: London\nPhone: 1\nPlease file this',
  },
  { given: '> only a quotation', left: '> only a quotation' },
  { given: 'The list:\n- a\n- b', left: 'The list:\n- a\n- b' },
])('of $given what was written is left', ({ given, left }) => {
  expect(writtenText(given)).toBe(left)
})

test('HTML is read as its words where there is no plain text, and other alphabets as they are', async () => {
  const host = new TestHost()
  await connected(host)
  const composed = { text: '', html: '<style>p{}</style><p>Grüße <b>aus</b></p><script>x()</script><p>Köln</p>' }
  await mail.deliver({ ...composed, subject: 'Größe ✓' })
  const latin = Buffer.from(
    `From: ${ada}\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\nSch\xf6n\r\n`,
    'latin1',
  )
  mail.deliverRaw(latin, pass('example.org'))
  await host.until(() => host.updates.length === 2)
  expect(textsOf(host)).toEqual(['[Subject: Größe ✓]\n\nGrüße aus\n\nKöln', 'Schön'])
})

test('files are fetched by what the message says of them, within their bounds', async () => {
  const host = new TestHost()
  const adapter = await connected(host)
  const content = Buffer.from(Array.from({ length: 200_000 }, (_, index) => index % 256))
  const attachments = [
    { filename: 'cat.png', contentType: 'image/png', content },
    { filename: 'notes.txt', contentType: 'text/plain', content: Buffer.from('a file, no text\n') },
  ]
  await mail.deliver({ text: 'Look', html: '<p>Look</p>', attachments })
  await host.until(() => host.updates.length === 1)
  const [message] = messagesOf(host)
  expect(message).toMatchObject({
    text: '[Subject: Hello]\n\nLook',
    attachments: [
      { kind: 'image', filename: 'cat.png', content_type: 'image/png' },
      { kind: 'document', filename: 'notes.txt', content_type: 'text/plain' },
    ],
  })
  expect(message?.attachments[0]?.size_bytes).toBeGreaterThan(content.length * 0.99)
  expect(message?.attachments[0]?.size_bytes).toBeLessThanOrEqual(content.length)
  const ref = message?.attachments[0]?.ref ?? ''
  const fetched = async (from: string, maxBytes = 1_000_000) => {
    const media = await adapter.fetchMedia?.({ ref: from, kind: 'image', maxBytes }, deadline())
    return bytesOf(media ?? expect.unreachable())
  }
  expect((await fetched(ref)).equals(content)).toBe(true)
  expect((await fetched(message?.attachments[1]?.ref ?? '')).toString()).toBe('a file, no text\n')
  await expect(fetched(ref, 1_000)).rejects.toMatchObject({ kind: 'too_large' })
  await expect(fetched(ref.replace(/^\d+/, '1'))).rejects.toMatchObject({ code: 'media_gone', permanent: true })
  await expect(fetched(`${ref}.9`)).rejects.toMatchObject({ code: 'no_such_part', permanent: true })
  for (const odd of ['', '1:2', '1:2:3\r\nA1 LOGOUT', '1:2:TEXT', '../x']) {
    await expect(fetched(odd)).rejects.toMatchObject({ code: 'invalid_media' })
  }
})

test('another process goes on from the cursor: nothing is lost and nothing comes twice', async () => {
  const host = new TestHost()
  const first = follow(connect(host))
  await host.until(() => host.cursor !== null)
  await mail.deliver({ text: 'one' })
  await host.until(() => host.updates.length === 1)
  first.stop.abort()
  expect(await first.over).toBeNull()
  for (let index = 0; index < 45; index++) await mail.deliver({ subject: String(index), text: '' })
  const next = new TestHost({ cursor: host.cursor })
  follow(connect(next))
  await next.until(() => next.updates.length === 45)
  expect(textsOf(next)).toEqual(Array.from({ length: 45 }, (_, index) => `[Subject: ${index}]`))
})

test('what could not be kept comes again, and is not marked as seen before', async () => {
  const host = new TestHost()
  const adapter = connect(host)
  const first = follow(adapter)
  await host.until(() => host.cursor !== null)
  host.refusal = new Error('The store is full')
  await mail.deliver({ text: 'not lost' })
  expect(await first.over).toBe(host.refusal)
  expect(mail.seen()).toEqual([])
  host.refusal = null
  follow(adapter)
  await host.until(() => host.updates.length === 1)
})

test('a mailbox that was numbered anew begins anew', async () => {
  await mail.deliver({ text: 'old' })
  const host = new TestHost({ cursor: '1:0' })
  follow(connect(host))
  await host.until(() => host.cursor !== '1:0')
  await mail.deliver({ text: 'new' })
  await host.until(() => host.updates.length === 1)
  expect(textsOf(host)).toEqual(['[Subject: Hello]\n\nnew'])
  expect(host.lines.join()).toContain('numbered its messages anew')
})

test('a connection that is lost says so, and nothing is lost with it', async () => {
  const host = new TestHost()
  const adapter = connect(host)
  const first = follow(adapter)
  await once(mail.imap.events, 'idle', { signal: deadline() })
  mail.imap.drop()
  expect(await first.over).toMatchObject({ name: 'PlatformError', permanent: false })
  mail.failImap(1, 'drop', /FETCH/)
  await mail.deliver({ text: 'one' })
  expect(await follow(adapter).over).toMatchObject({ name: 'PlatformError', permanent: false })
  follow(adapter)
  await host.until(() => host.updates.length === 1)
})

test('a message that can not be read does not stop those behind it', async () => {
  const host = new TestHost()
  const adapter = connect(host)
  const first = follow(adapter)
  await host.until(() => host.cursor !== null)
  first.stop.abort()
  await first.over
  await mail.deliver({ text: 'broken' })
  await mail.deliver({ text: 'behind it' })
  mail.failImap(3, { answer: 'TAG NO can not be parsed\r\n' }, /BODYSTRUCTURE/)
  for (let tries = 0; tries < 3; tries++) {
    expect(await follow(adapter).over).toMatchObject({ name: 'PlatformError', permanent: false })
  }
  follow(adapter)
  await host.until(() => host.updates.length === 1)
  expect(textsOf(host)).toEqual(['[Subject: Hello]\n\nbehind it'])
})

test('what is larger than can be taken is passed over', async () => {
  const host = new TestHost()
  await connected(host)
  const from = `From: ${ada}\r\n\r\n`
  mail.deliverRaw(Buffer.concat([Buffer.from(from), Buffer.alloc(26 * 1024 * 1024, 'x')]), pass('example.org'))
  await mail.deliver({ text: 'small' })
  await host.until(() => host.updates.length === 1)
  expect(textsOf(host)).toEqual(['[Subject: Hello]\n\nsmall'])
  expect(host.lines.join()).toContain('larger than can be taken')
})

test('an answer goes to the sender, in its thread, under its subject, and asks no machine to answer', async () => {
  const host = new TestHost()
  const adapter = await connected(host)
  await mail.deliver({ messageId: '<a@example.org>', subject: 'A question' })
  await host.until(() => host.updates.length === 1)
  await mail.deliver({ from: 'x@evil.example', references: ['<a@example.org>'], subject: 'Pay now' })
  await host.until(() => host.updates.length === 2)
  const part = outboundPart({
    chat_id: ada,
    thread_id: '<a@example.org>',
    reply_to: '<c@example.org>',
    text: '<p>Yes</p>',
    plain: 'Yes',
  })
  const { message_id } = await adapter.send(part, deadline())
  const [sent] = mail.sent
  expect(sent).toMatchObject({ from: mailUser, to: [ada] })
  expect(sent?.parsed).toMatchObject({
    subject: 'Re: A question',
    messageId: message_id,
    inReplyTo: '<c@example.org>',
    references: ['<a@example.org>', '<c@example.org>'],
    text: 'Yes',
    html: '<p>Yes</p>',
    from: { value: [{ name: 'Keel', address: mailUser }] },
  })
  expect(sent?.parsed.headers.get('auto-submitted')).toBe('auto-replied')
})

test('the same part has the same Message-ID whenever it is sent, and another has another', async () => {
  const adapter = connect(new TestHost())
  const part = outboundPart({ chat_id: ada })
  mail.failNext(1, { step: 'data' })
  expect(await refusalOf(adapter.send(part, deadline()))).toMatchObject({ name: 'PlatformError', permanent: false })
  await adapter.send(part, deadline())
  await adapter.send({ ...part, key: 'delivery-1/1' }, deadline())
  const ids = mail.sent.map(({ parsed }) => parsed.messageId)
  expect(ids).toHaveLength(3)
  expect(ids[1]).toBe(ids[0])
  expect(ids[2]).not.toBe(ids[0])
  expect(mail.sent[0]?.parsed.subject).toBe('Message from Keel')
})

test('a file goes out with its name, type and bytes', async () => {
  const host = new TestHost()
  const bytes = Buffer.from('%PDF-1.7 not really')
  const file = fileOf(host, { filename: 'a report.pdf' }, bytes)
  await connect(host).send(outboundPart({ chat_id: ada, text: '', plain: '', file }), deadline())
  const [attachment] = mail.sent[0]?.parsed.attachments ?? []
  expect(attachment).toMatchObject({ filename: 'a report.pdf', contentType: 'application/pdf', content: bytes })
})

test('a file that can not be read is what the error says, and nothing is sent', async () => {
  const about = { kind: 'image', filename: 'x', content_type: 'image/png', size_bytes: 3, caption: null } as const
  const part = outboundPart({ chat_id: ada, text: '', plain: '', file: { delivery_id: 'none', index: 0, about } })
  const error = (await refusalOf(connect(new TestHost()).send(part, deadline()))) as Error
  expect(error.message).toBe('There is no such file')
  expect(mail.sent).toEqual([])
})

const injected = '\r\nBcc: mallory@evil.example\r\n\r\nspoken'

test.each([
  `ada@example.org${injected}`,
  'ada@example.org, mallory@evil.example',
  'Ada <ada@example.org>',
  'ada@example.org> RCPT TO:<mallory@evil.example',
  '"a b"@example.org',
  'ada@-example.org',
  'ada',
  '@example.org',
  '',
])('%j is no place to send to', async (chat_id) => {
  const error = await refusalOf(connect(new TestHost()).send(outboundPart({ chat_id }), deadline()))
  expect(error).toMatchObject({ code: 'invalid_chat', permanent: true })
  expect(mail.signIns).toEqual([])
})

test('nothing that is given becomes a header', async () => {
  const host = new TestHost()
  const file = fileOf(host, { filename: `x${injected}`, content_type: `text/plain${injected}` }, Buffer.from('x'))
  await connect(host).send(
    outboundPart({
      chat_id: ada,
      subject: `Hello${injected}`,
      thread_id: `<a@example.org>${injected}`,
      reply_to: `<b@example.org${injected}>`,
      file,
    }),
    deadline(),
  )
  const [sent] = mail.sent
  expect(sent?.to).toEqual([ada])
  expect(sent?.parsed.bcc).toBeUndefined()
  expect(sent?.raw.toString()).not.toMatch(/^Bcc:/im)
  expect(sent?.parsed.inReplyTo).toBeUndefined()
})

test.each([
  { step: 'rcpt', code: 550, permanent: true },
  { step: 'rcpt', code: 450, permanent: false },
  { step: 'mail', code: 552, permanent: true },
  { step: 'data', code: 554, permanent: true },
  { step: 'data', code: 451, permanent: false },
] as const)('$code at $step: permanent is $permanent', async ({ step, code, permanent }) => {
  mail.failNext(1, { step, code })
  const error = await refusalOf(connect(new TestHost()).send(outboundPart({ chat_id: ada }), deadline()))
  expect(error).toMatchObject({ name: 'PlatformError', code: `smtp_${code}`, permanent })
  expect(mail.sent).toEqual([])
})

test('signing in is refused for good by 535, and for now by 454', async () => {
  const adapter = connect(new TestHost())
  mail.failNext(1, { step: 'auth', code: 454 })
  expect(await refusalOf(adapter.send(outboundPart({ chat_id: ada }), deadline()))).toMatchObject({
    code: 'smtp_454',
    permanent: false,
  })
  mail.failImap(1, { answer: 'TAG NO [UNAVAILABLE] later\r\n' }, /AUTHENTICATE/)
  expect(await refusalOf(adapter.check(deadline()))).toMatchObject({ code: 'UNAVAILABLE', permanent: false })
})

test('what is wrong to sign in with is named as such, and is in no error', async () => {
  const host = new TestHost()
  const secret = 'a-password-that-is-wrong-0123456789'
  for (const fields of [{ password: secret }, { password: null, oauth2_token: secret }]) {
    const adapter = connect(host, fields)
    for (const call of [
      () => adapter.check(deadline()),
      () => adapter.receive(deadline()),
      () => adapter.send(outboundPart({ chat_id: ada }), deadline()),
    ]) {
      const error = (await refusalOf(call())) as Error
      expect(error).toMatchObject({ code: 'auth', permanent: true })
      const said = toldBy(error)
      expect(said).not.toContain(secret)
      expect(said).not.toContain(Buffer.from(secret).toString('base64').slice(0, 20))
    }
  }
  expect(host.lines.join()).not.toContain(secret)
})

test('a token signs in to both servers in place of the password', async () => {
  const adapter = connect(new TestHost(), { password: null, oauth2_token: mailToken })
  expect(await adapter.check(deadline())).toEqual({ identity: mailUser })
  await adapter.send(outboundPart({ chat_id: ada }), deadline())
  expect(mail.signIns).toEqual(['XOAUTH2', 'XOAUTH2'])
  expect(mail.imap.commands[0]).toBe('AUTHENTICATE XOAUTH2')
})

test('check signs in to both servers', async () => {
  expect(await connect(new TestHost()).check(deadline())).toEqual({ identity: mailUser })
  expect(mail.signIns).toEqual(['PLAIN'])
  const nobody = { host: '127.0.0.1', port: 1, tls: 'none' as const }
  expect(await refusalOf(connect(new TestHost(), { smtp: nobody }).check(deadline()))).toMatchObject({
    permanent: false,
  })
})

test('a server that hangs is left with the signal', async () => {
  mail.failImap(1, 'hang', /AUTHENTICATE/)
  const stop = new AbortController()
  const checking = refusalOf(connect(new TestHost()).check(stop.signal))
  stop.abort()
  expect(await checking).toMatchObject({ name: 'AbortError' })
})

test('mail that asks for TLS is not sent in the clear', async () => {
  const smtp = { host: '127.0.0.1', port: mail.smtpPort, tls: 'starttls' as const }
  const error = await refusalOf(connect(new TestHost(), { smtp }).send(outboundPart({ chat_id: ada }), deadline()))
  expect(error).toMatchObject({ name: 'PlatformError' })
  expect(mail.signIns).toEqual([])
  expect(`${error}`).not.toContain(mailPassword)
})

test('no shape of a message breaks the reading', async () => {
  const host = new TestHost()
  await connected(host)
  const from = `From: ${ada}`
  const nested = (depth: number): string =>
    depth === 0
      ? 'Content-Type: text/plain\r\n\r\ndeep'
      : `Content-Type: multipart/mixed; boundary=b${depth}\r\n\r\n--b${depth}\r\n${nested(depth - 1)}\r\n--b${depth}--`
  const shapes = [
    '',
    '\r\n\r\n',
    'no header at all',
    from,
    `${from}\r\n${from}\r\n\r\ntwo`,
    `From: ${ada}, bob@example.org\r\n\r\nmany`,
    'From: \r\n\r\nnobody',
    'From: Ada\r\n\r\nno address',
    'From: undisclosed:;\r\n\r\na group',
    `From: a group: ${ada};\r\n\r\na group`,
    'From: =?utf-8?B?YWRhQGV4YW1wbGUub3Jn?=\r\n\r\nhidden',
    'From: "ada@example.org" <mallory@evil.example>\r\n\r\nname',
    'From: ada@example.org <mallory@evil.example>\r\n\r\nname',
    `From: <${'a'.repeat(70_000)}@example.org>\r\n\r\nlong`,
    'From: ada@exämple.org\r\n\r\nraw',
    'From: ada@xn--exmple-cua.org\r\n\r\npunycode',
    'From: ada@xn--\r\n\r\nbroken punycode',
    `${from}\r\nSubject: =?x-unknown?B?////?=\r\n\r\nsubject`,
    `${from}\r\nSubject: ${'s'.repeat(100_000)}\r\n\r\nsubject`,
    `${from}\r\nMessage-ID: ${'<'.repeat(5_000)}\r\n\r\nid`,
    `${from}\r\nMessage-ID: <${'i'.repeat(2_000)}@x>\r\n\r\nid`,
    `${from}\r\nReferences: ${'<a@b> '.repeat(5_000)}\r\n\r\nreferences`,
    `${from}\r\nContent-Type: text/plain; charset=x-unknown\r\n\r\n\xff\xfe`,
    `${from}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\xff\xfe`,
    `${from}\r\nContent-Type: multipart/mixed\r\n\r\nno boundary`,
    `${from}\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--y\r\n\r\nnone`,
    `${from}\r\nContent-Type: /\r\n\r\ntype`,
    `${from}\r\nContent-Type: message/rfc822\r\n\r\n${from}\r\n\r\nwithin`,
    `${from}\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!`,
    `${from}\r\nContent-Transfer-Encoding: x-unknown\r\n\r\nencoded`,
    `${from}\r\nContent-Type: text/html\r\n\r\n${'<div>'.repeat(50_000)}`,
    `${from}\r\nContent-Type: image/png; name="../../etc/passwd"\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA`,
    `${from}\r\n${nested(30)}`,
    `${from}\r\n${'X-Many: x\r\n'.repeat(5_000)}\r\nheaders`,
    `${from}\r\nDate: 99 Foo 99999\r\n\r\ndate`,
    `${from}\0\r\n\0: \0\r\n\r\n\0`,
    `${from}\r\n\r\n${'> '.repeat(50_000)}`,
    `${from}\r\n\r\n${'-'.repeat(500_000)}x`,
    `${from}\r\n\r\n${'Ab: x@y\nno\nno\n'.repeat(30_000)}`,
    `${from}\r\n\r\n${`${'a'.repeat(900)}:\n`.repeat(500)}`,
  ]
  expect(shapes.length).toBeGreaterThan(30)
  for (const shape of shapes) mail.deliverRaw(Buffer.from(shape, 'latin1'), pass('example.org'))
  await mail.deliver({ text: 'the last' })
  await host.until(() => textsOf(host).some((text) => text.endsWith('the last')))
  const senders = new Set(messagesOf(host).map(({ sender_id }) => sender_id))
  expect(senders).not.toContain('mallory@evil.example')
  expect([...senders].every((sender) => sender === ada || sender.startsWith('unverified:'))).toBe(true)
  expect(running).toHaveLength(1)
})
