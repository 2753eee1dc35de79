import { once } from 'node:events'
import { ImapFlow, type ImapFlowError, type MessageStructureObject } from 'imapflow'
import type { AdapterSettings } from '#sdk/services/channels.ts'
import { PlatformError } from '../../platform-error.ts'

type EmailSettings = AdapterSettings['email']

const inbox = 'INBOX'
const connectMs = 15_000
/** Of silence while something is asked for. */
const silenceMs = 60_000
const maxLineBytes = 1024 * 1024
/** A part of the largest message that is taken, whole. */
const maxLiteralBytes = 26 * 1024 * 1024
const maxTokens = 50_000
/** Refusals to sign in that pass by themselves. */
const passingCodes = new Set(['UNAVAILABLE', 'INUSE', 'LIMIT', 'SERVERBUG', 'CONTACTADMIN'])

/** What is the message's fault, and not the connection's. */
const unreadableCodes = new Set([
  ...['MAX_IMAP_NESTING_REACHED', 'LineTooLarge', 'LiteralTooLarge', 'ResponseTooLarge', 'TooManyTokens'],
  ...['ResponseProcessingFailed', 'InvalidResponse', 'DownloadIncomplete', 'NO', 'BAD', 'no_such_part'],
])

/** Whether it was the message that could not be read, where reading it threw this. */
export function isUnreadable(thrown: unknown): boolean {
  if (!(thrown instanceof PlatformError)) return true
  return unreadableCodes.has(thrown.code) || thrown.code.startsWith('ParserError')
}

export interface MailSummary {
  uid: number
  sizeBytes: number
}

/** The inbox over one connection, which ends with the signal. Whatever fails is a PlatformError or the signal's reason. */
export class Mailbox {
  readonly #client: ImapFlow
  readonly #signal: AbortSignal
  #failure: unknown = null
  #news = Promise.withResolvers<void>()
  readonly #leave = () => this.close()

  private constructor(settings: EmailSettings, signal: AbortSignal) {
    this.#signal = signal
    this.#client = new ImapFlow({
      ...connectionTo(settings),
      disableAutoIdle: true,
      maxLineLength: maxLineBytes,
      maxLiteralSize: maxLiteralBytes,
      maxResponseSize: 2 * maxLiteralBytes,
      maxResponseTokens: maxTokens,
    })
    this.#client.on('error', (error) => {
      this.#failure ??= error
    })
    this.#client.on('exists', () => this.#news.resolve())
    this.#client.on('close', () => this.#news.resolve())
  }

  static async open(settings: EmailSettings, signal: AbortSignal): Promise<Mailbox> {
    signal.throwIfAborted()
    const mailbox = new Mailbox(settings, signal)
    signal.addEventListener('abort', mailbox.#leave, { once: true })
    try {
      await mailbox.#run(async (client) => {
        await client.connect()
        await client.mailboxOpen(inbox)
      })
      return mailbox
    } catch (thrown) {
      mailbox.close()
      throw thrown
    }
  }

  /** Under which UIDs mean what they mean. */
  get uidValidity(): string {
    return String(this.#client.mailbox ? this.#client.mailbox.uidValidity : '')
  }

  /** The UID that the next message gets. */
  get uidNext(): number {
    return this.#client.mailbox ? this.#client.mailbox.uidNext : 0
  }

  close(): void {
    this.#signal.removeEventListener('abort', this.#leave)
    this.#client.close()
  }

  /** In order, at most so many. What comes from here on ends the next wait. */
  async messagesAfter(uid: number, most: number): Promise<MailSummary[]> {
    this.#news = Promise.withResolvers<void>()
    return this.#run(async (client) => {
      // `n:*` names the last message even where that has a lower UID.
      const found = (await client.search({ uid: `${uid + 1}:*` }, { uid: true })) || []
      const uids = found.filter((each) => each > uid).toSorted((left, right) => left - right)
      if (uids.length === 0) return []
      const range = uids.slice(0, most).join(',')
      const summaries = await client.fetchAll(range, { uid: true, size: true }, { uid: true })
      return summaries
        .map((each) => ({ uid: each.uid, sizeBytes: each.size ?? 0 }))
        .toSorted((left, right) => left.uid - right.uid)
    })
  }

  /** null where it is no longer there. */
  async describe(uid: number): Promise<{ headers: Buffer; structure: MessageStructureObject; arrivedAt: Date } | null> {
    return this.#run(async (client) => {
      const query = { uid: true, headers: true, bodyStructure: true, internalDate: true }
      const found = await client.fetchOne(String(uid), query, { uid: true })
      if (!found || found.headers === undefined || found.bodyStructure === undefined) return null
      const arrivedAt = new Date(found.internalDate ?? Date.now())
      return { headers: found.headers, structure: found.bodyStructure, arrivedAt }
    })
  }

  /** A part in text, in UTF-8, as far as so many bytes go. */
  async readText(uid: number, part: string, maxBytes: number): Promise<string> {
    const chunks: Buffer[] = []
    for await (const chunk of this.#parts(uid, part, { maxBytes })) chunks.push(chunk)
    return Buffer.concat(chunks).toString('utf8')
  }

  /** A part's bytes, without their transfer encoding. Throws where there is no such part. */
  readFile(uid: number, part: string): AsyncIterable<Buffer> {
    return this.#parts(uid, part, { decodeText: false })
  }

  async markSeen(uids: readonly number[]): Promise<void> {
    await this.#run((client) => client.messageFlagsAdd(uids.join(','), ['\\Seen'], { uid: true }))
  }

  /** Until there may be news: something came, so much time has passed, or the connection is lost. */
  async wait({ idleMs, pollMs }: { idleMs: number | null; pollMs: number }): Promise<void> {
    const client = this.#client
    const idles = idleMs !== null && client.capabilities.has('IDLE')
    const ended = AbortSignal.any([this.#signal, AbortSignal.timeout(idles ? idleMs : pollMs)])
    // The command after it is what ends it.
    if (idles) client.idle().catch(() => {})
    await Promise.race([this.#news.promise, ended.aborted || once(ended, 'abort')])
    await this.#run((each) => each.noop())
  }

  async *#parts(uid: number, part: string, options: { maxBytes?: number; decodeText?: boolean }) {
    const { content } = await this.#run((client) => client.download(String(uid), part, { uid: true, ...options }))
    if (!content) throw new PlatformError('The message has no such part', { code: 'no_such_part', permanent: true })
    try {
      for await (const chunk of content) yield chunk as Buffer
    } catch (thrown) {
      throw this.#reason(thrown)
    }
  }

  async #run<T>(work: (client: ImapFlow) => Promise<T>): Promise<T> {
    try {
      const done = await work(this.#client)
      if (!this.#client.usable) throw this.#failure ?? new Error('The connection was closed')
      return done
    } catch (thrown) {
      throw this.#reason(thrown)
    }
  }

  /** The library's errors hold commands, and with them what was sent: they are no cause of ours. */
  #reason(thrown: unknown): unknown {
    if (this.#signal.aborted) return this.#signal.reason
    if (thrown instanceof PlatformError) return thrown
    const error: Partial<ImapFlowError> = this.#failure instanceof Error ? this.#failure : toFields(thrown)
    if (error.authenticationFailed) {
      const permanent = !passingCodes.has(error.serverResponseCode ?? '')
      return new PlatformError('The mail server does not take the user name and password or token', {
        code: permanent ? 'auth' : (error.serverResponseCode ?? 'auth'),
        permanent,
      })
    }
    const code = error.serverResponseCode ?? error.code ?? error.responseStatus ?? 'imap_failed'
    return new PlatformError(`The mail server (IMAP) failed: ${code}`, { code, permanent: false })
  }
}

function toFields(thrown: unknown): Partial<ImapFlowError> {
  return thrown instanceof Error ? thrown : {}
}

function connectionTo({ username, password, oauth2_token, imap }: EmailSettings) {
  const secret = oauth2_token === null ? { pass: password ?? '' } : { accessToken: oauth2_token }
  return {
    host: imap.host,
    port: imap.port,
    secure: imap.tls,
    // In the clear is what the settings say then, and for a server on this machine alone.
    doSTARTTLS: imap.tls ? undefined : false,
    auth: { user: username, ...secret },
    logger: false as const,
    connectionTimeout: connectMs,
    greetingTimeout: connectMs,
    socketTimeout: silenceMs,
  }
}
