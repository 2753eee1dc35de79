import { EventEmitter, once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { type ParsedMail, simpleParser } from 'mailparser'
import MailComposer from 'nodemailer/lib/mail-composer'
import { SMTPServer } from 'smtp-server'
import type { AdapterSettings } from '#sdk/services/channels.ts'
import { FakeImap, type ImapFault } from './imap.ts'

type EmailSettings = AdapterSettings['email']

export const mailUser = 'keel@keel.example'
export const mailPassword = 'mail-password-of-tests-7f3a'
export const mailToken = 'ya29.oauth-token-of-tests-91bc'

export interface SentMail {
  from: string
  to: string[]
  raw: Buffer
  parsed: ParsedMail
}

/** A step of SMTP that is answered with this code; without one the connection is dropped, for `data` with the mail taken. */
export interface SmtpFault {
  step: 'auth' | 'mail' | 'rcpt' | 'data'
  code?: number
}

export interface DeliveredMail {
  from?: string
  subject?: string
  text?: string
  html?: string
  messageId?: string
  inReplyTo?: string
  references?: string[]
  /** Those of the message itself, as its sender wrote them. */
  headers?: Record<string, string>
  attachments?: { filename: string; contentType: string; content: Buffer }[]
  /** What the receiving server writes above it; null writes nothing. */
  results?: string | null
}

/** A mail server on loopback: SMTP to send, IMAP to read. `events` tells of `sent`. */
export class FakeMail {
  readonly events = new EventEmitter()
  readonly imap = new FakeImap({ user: mailUser, password: mailPassword, token: mailToken })
  readonly sent: SentMail[] = []
  /** How each sending session signed in. */
  readonly signIns: string[] = []
  #faults: SmtpFault[] = []
  readonly #smtp = new SMTPServer({
    authOptional: false,
    disabledCommands: ['STARTTLS'],
    allowInsecureAuth: true,
    authMethods: ['PLAIN', 'XOAUTH2'],
    logger: false,
    onAuth: (auth, _, done) => {
      this.signIns.push(auth.method)
      const fault = this.#take('auth')
      if (fault) return done(fault)
      const right = auth.method === 'XOAUTH2' ? auth.accessToken === mailToken : auth.password === mailPassword
      if (auth.username === mailUser && right) done(null, { user: mailUser })
      else done(coded(535, `Invalid credentials ${auth.password ?? auth.accessToken}`))
    },
    onMailFrom: (_, __, done) => done(this.#take('mail')),
    onRcptTo: (_, __, done) => done(this.#take('rcpt')),
    onData: (stream, session, done) => {
      this.#receive(stream, session.envelope).then(
        () => done(this.#take('data')),
        (error: Error) => done(error),
      )
    },
  })

  static async start(): Promise<FakeMail> {
    const fake = new FakeMail()
    fake.#smtp.on('error', () => {})
    await fake.imap.listen()
    fake.#smtp.listen(0, '127.0.0.1')
    await once(fake.#smtp.server, 'listening')
    return fake
  }

  get smtpPort(): number {
    return (this.#smtp.server.address() as AddressInfo).port
  }

  /** As the configuration would give them; fields given replace the usual ones. */
  settings(fields: Partial<EmailSettings> = {}): EmailSettings {
    return {
      username: mailUser,
      password: mailPassword,
      oauth2_token: null,
      from_address: mailUser,
      imap: { host: '127.0.0.1', port: this.imap.port, idle: true, tls: false },
      smtp: { host: '127.0.0.1', port: this.smtpPort, tls: 'none' },
      authserv_id: 'mx.keel.example',
      poll_interval_seconds: 1,
      ...fields,
    }
  }

  failNext(count: number, fault: SmtpFault): void {
    for (let index = 0; index < count; index++) this.#faults.push(fault)
  }

  failImap(count: number, fault: ImapFault, only?: RegExp): void {
    this.imap.failNext(count, fault, only)
  }

  /** A mail from somebody, which the server has found to be from there unless something else is given. */
  async deliver({ results, ...mail }: DeliveredMail = {}): Promise<number> {
    const from = mail.from ?? 'Ada <ada@example.org>'
    const domain = /@([^>\s]+)/.exec(from)?.[1]
    const raw = await new MailComposer({ to: mailUser, subject: 'Hello', text: 'Hi', ...mail, from }).compile().build()
    return this.deliverRaw(raw, results === undefined ? `mx.keel.example; dmarc=pass header.from=${domain}` : results)
  }

  deliverRaw(raw: Buffer, results: string | null = null): number {
    const above = results === null ? '' : `Authentication-Results: ${results}\r\n`
    const received = 'Received: from relay.example by mx.keel.example; Thu, 1 Jan 2026 00:00:00 +0000\r\n'
    return this.imap.store(Buffer.concat([Buffer.from(received + above), raw])).uid
  }

  seen(): number[] {
    return this.imap.mails.filter(({ flags }) => flags.has('\\Seen')).map(({ uid }) => uid)
  }

  async close(): Promise<void> {
    const closed = Promise.withResolvers<void>()
    this.#smtp.close(() => closed.resolve())
    await Promise.all([this.imap.close(), closed.promise])
  }

  #take(step: SmtpFault['step']): Error | null {
    const at = this.#faults.findIndex((fault) => fault.step === step)
    const [fault] = at === -1 ? [] : this.#faults.splice(at, 1)
    if (!fault) return null
    if (fault.code !== undefined) return coded(fault.code, 'permanent 550 temporary 450')
    for (const connection of this.#smtp.connections) connection.close()
    return coded(421, 'gone')
  }

  async #receive(
    stream: AsyncIterable<unknown>,
    { mailFrom, rcptTo }: { mailFrom: false | { address: string }; rcptTo: { address: string }[] },
  ): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of stream) chunks.push(chunk as Buffer)
    const raw = Buffer.concat(chunks)
    if (this.#faults.some(({ step, code }) => step === 'data' && code !== undefined)) return
    const from = mailFrom ? mailFrom.address : ''
    this.sent.push({ from, to: rcptTo.map(({ address }) => address), raw, parsed: await simpleParser(raw) })
    this.events.emit('sent')
  }
}

function coded(responseCode: number, message: string): Error {
  return Object.assign(new Error(message), { responseCode })
}
