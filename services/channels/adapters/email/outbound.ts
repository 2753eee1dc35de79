import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { createTransport, type NodemailerError } from 'nodemailer'
import type { AdapterSettings } from '#sdk/services/channels.ts'
import type { AdapterHost, OutboundPart } from '../../adapter.ts'
import { PlatformError } from '../../platform-error.ts'
import { canonicalAddress, domainOf, messageIdShape } from './addresses.ts'

type EmailSettings = AdapterSettings['email']

const connectMs = 15_000
const silenceMs = 30_000
const maxSubjectLength = 256
/** The session was in the wrong state: the message itself was not refused. */
const badSequence = 503

/** Mail by SMTP. Its Message-ID follows from the key: a mailbox that gets it twice can tell. */
export class MailOutbox {
  readonly #settings: EmailSettings
  readonly #host: AdapterHost
  readonly #subjectOf: (chat: string, thread: string) => string | undefined

  constructor(
    settings: EmailSettings,
    host: AdapterHost,
    subjectOf: (chat: string, thread: string) => string | undefined,
  ) {
    this.#settings = settings
    this.#host = host
    this.#subjectOf = subjectOf
  }

  async send(part: OutboundPart, signal: AbortSignal): Promise<{ message_id: string }> {
    const to = canonicalAddress(part.chat_id)
    if (to === null) {
      throw new PlatformError('Mail goes to one plain address', { code: 'invalid_chat', permanent: true })
    }
    const references = [part.thread_id, part.reply_to].flatMap((id) => messageIdShape.safeParse(id).data ?? [])
    const { file } = part
    const messageId = this.#messageId(part.key)
    const attachments = file && [
      {
        filename: file.about.filename,
        contentType: file.about.content_type,
        content: Readable.from(this.#host.readFile(file), { objectMode: false }),
      },
    ]
    try {
      await this.#transport().sendMail({
        from: { name: this.#host.agentName, address: this.#settings.from_address },
        to: { name: '', address: to },
        subject: this.#subject(part, references),
        messageId,
        references: [...new Set(references)],
        ...(references.length > 0 && { inReplyTo: references.at(-1) }),
        text: part.plain,
        ...(part.text !== '' && { html: part.text }),
        ...(attachments && { attachments }),
        // Answering machines do not answer it.
        headers: { 'Auto-Submitted': references.length > 0 ? 'auto-replied' : 'auto-generated' },
        signal,
      })
    } catch (thrown) {
      throw asPlatformError(thrown, signal)
    }
    return { message_id: messageId }
  }

  async verify(signal: AbortSignal): Promise<void> {
    const transport = this.#transport()
    const aborted = Promise.withResolvers<never>()
    const abort = () => aborted.reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    try {
      await Promise.race([transport.verify(), aborted.promise])
    } catch (thrown) {
      throw asPlatformError(thrown, signal)
    } finally {
      signal.removeEventListener('abort', abort)
      transport.close()
    }
  }

  #transport() {
    const { smtp, username, password, oauth2_token } = this.#settings
    return createTransport({
      host: smtp.host,
      port: smtp.port,
      secure: smtp.tls === 'implicit',
      requireTLS: smtp.tls === 'starttls',
      ignoreTLS: smtp.tls === 'none',
      auth:
        oauth2_token === null
          ? { user: username, pass: password ?? '' }
          : { type: 'OAuth2', user: username, accessToken: oauth2_token },
      connectionTimeout: connectMs,
      greetingTimeout: connectMs,
      socketTimeout: silenceMs,
      // Nothing in a message may name a file or an address to be read.
      disableFileAccess: true,
      disableUrlAccess: true,
      logger: false,
    })
  }

  #messageId(key: string): string {
    const hash = createHash('sha256').update(key).digest('hex').slice(0, 40)
    return `<keel.${hash}@${domainOf(this.#settings.from_address)}>`
  }

  #subject({ subject, chat_id, thread_id }: OutboundPart, references: readonly string[]): string {
    const given = subject ?? (thread_id === null ? undefined : this.#subjectOf(chat_id, thread_id)) ?? ''
    const plain = given
      .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
      .trim()
      .slice(0, maxSubjectLength)
    if (plain === '') return `Message from ${this.#host.agentName}`
    return references.length === 0 || /^re:/i.test(plain) ? plain : `Re: ${plain}`
  }
}

/** By the server's code. The library's errors hold what was said, the sign-in too: they are no cause of ours. */
function asPlatformError(thrown: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason
  if (!(thrown instanceof Error) || thrown instanceof PlatformError) return thrown
  const { code = '', responseCode }: NodemailerError = thrown
  if (code === '' || code === 'ESTREAM') return thrown
  if (code === 'EAUTH') {
    const permanent = responseCode === undefined || responseCode >= 500
    return new PlatformError('The mail server (SMTP) does not take the user name and password or token', {
      code: permanent ? 'auth' : `smtp_${responseCode}`,
      permanent,
    })
  }
  if (responseCode === undefined) {
    return new PlatformError(`The mail server (SMTP) could not be used: ${code}`, { code, permanent: false })
  }
  const permanent = responseCode >= 500 && responseCode !== badSequence
  return new PlatformError(`The mail server (SMTP) refused with ${responseCode}`, {
    code: `smtp_${responseCode}`,
    permanent,
  })
}
