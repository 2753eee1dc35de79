import { parseAddressHeader, simpleParser } from 'mailparser'
import { canonicalAddress, messageIdShape } from './addresses.ts'

const maxReferences = 200

/** What the headers of a message say. */
export interface MailHeaders {
  /** The one address that it is from; null where there is none, or more than one. */
  from: string | null
  fromName: string | null
  messageId: string | null
  /** From the first message of the thread to the one that it answers. */
  references: string[]
  subject: string
  /** Of Authentication-Results, from the top. */
  authenticationResults: string[]
  /** It was not written by a person to be answered: an automatic reply, a bounce, a mailing list. */
  automatic: boolean
}

const autoPrecedences = new Set(['bulk', 'junk', 'list', 'auto_reply'])
const automaticSenders = /^(mailer-daemon|postmaster|no-?reply|do-?not-?reply|bounces?)(\+.*)?@/
/** That they are there is enough. */
const automaticMarks = ['list-id', 'list-unsubscribe', 'x-autoreply', 'x-autorespond']

export async function readHeaders(raw: Buffer): Promise<MailHeaders> {
  const { headerLines, subject = '' } = await simpleParser(raw, { skipTextToHtml: true, skipHtmlToText: true })
  const valuesOf = (name: string) =>
    headerLines.filter(({ key }) => key === name).map(({ line }) => unfolded(line.slice(line.indexOf(':') + 1)))
  const froms = valuesOf('from').map((value) => parseAddressHeader(value, { decodePunycode: false }).value)
  const [sender] = froms.length === 1 && froms[0]?.length === 1 ? froms[0] : []
  const from = sender?.address === undefined || sender.group ? null : canonicalAddress(sender.address)
  const first = (name: string) => valuesOf(name)[0]?.toLowerCase() ?? ''
  const autoSubmitted = first('auto-submitted')
  return {
    from,
    fromName: sender?.name || null,
    messageId: messageIdShape.safeParse(valuesOf('message-id')[0]).data ?? null,
    references: idsIn([...valuesOf('references'), ...valuesOf('in-reply-to')].join(' ')),
    subject: unfolded(subject).replace(/\p{Cc}+/gu, ' '),
    authenticationResults: valuesOf('authentication-results'),
    automatic:
      (autoSubmitted !== '' && autoSubmitted !== 'no') ||
      autoPrecedences.has(first('precedence')) ||
      automaticMarks.some((name) => valuesOf(name).length > 0) ||
      valuesOf('return-path').includes('<>') ||
      first('content-type').startsWith('multipart/report') ||
      (from !== null && automaticSenders.test(from)),
  }
}

function unfolded(value: string): string {
  return value.replace(/\r?\n[ \t]*/g, ' ').trim()
}

function idsIn(value: string): string[] {
  const ids = value.split(/\s+|(?<=>)(?=<)/).filter((each) => messageIdShape.safeParse(each).success)
  return [...new Set(ids)].slice(0, maxReferences)
}
