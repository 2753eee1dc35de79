import { LRUCache } from 'lru-cache'
import type { InboundMessage } from '#sdk/channels/message.ts'
import { RuntimeError } from '#sdk/errors.ts'
import type { CreateAdapter, MediaRequest, MediaSource } from '../adapter.ts'
import { PlatformError } from '../platform-error.ts'
import { untilAborted } from '../until-aborted.ts'
import { canonicalAddress } from './email/addresses.ts'
import { type Letter, readLetter } from './email/inbound.ts'
import { isUnreadable, Mailbox, type MailSummary } from './email/mailbox.ts'
import { MailOutbox } from './email/outbound.ts'

const lettersAtOnce = 20
const maxMailBytes = 25 * 1024 * 1024
/** How long news are waited for; servers end a wait of half an hour, and routers a silent one sooner. */
const idleMs = 240_000
/** A message that can not be read so often does not stop those behind it. */
const maxTries = 3
const maxSubjects = 2_000
const mediaRef = /^(\d{1,20}):(\d{1,10}):(\d{1,4}(?:\.\d{1,4}){0,20})$/

interface Place {
  uidValidity: string
  uid: number
}

/**
 * E-mail: in by IMAP, out by SMTP. Messages are taken by their UID, whether somebody has read them or not, and those
 * that were handed over are marked as seen.
 */
export const createEmail: CreateAdapter<'email'> = (settings, host) => {
  /** By address and thread: nobody else's mail changes what is answered there. */
  const subjects = new LRUCache<string, string>({ max: maxSubjects })
  const outbox = new MailOutbox(settings, host, (chat, thread) => subjects.get(`${chat} ${thread}`))
  const ownAddresses = [settings.from_address, settings.username].flatMap((each) => canonicalAddress(each) ?? [])
  const waits = { idleMs: settings.imap.idle ? idleMs : null, pollMs: settings.poll_interval_seconds * 1_000 }
  let failing = { place: '', tries: 0 }

  /** null for what is no message of a person, and for what can not be read. */
  async function read(mailbox: Mailbox, { uid, sizeBytes }: MailSummary): Promise<Letter | null> {
    if (sizeBytes > maxMailBytes) {
      host.log.warn({ uid, sizeBytes }, 'A message is larger than can be taken, and is passed over')
      return null
    }
    const place = `${mailbox.uidValidity}:${uid}`
    if (failing.place === place && failing.tries >= maxTries) {
      host.log.warn({ uid }, 'A message can not be read, and is passed over')
      return null
    }
    try {
      return await readLetter(mailbox, uid, { ownAddresses, authserv: settings.authserv_id })
    } catch (thrown) {
      if (isUnreadable(thrown)) failing = { place, tries: failing.place === place ? failing.tries + 1 : 1 }
      throw thrown
    }
  }

  async function take(mailbox: Mailbox, from: Place): Promise<Place> {
    let place = from
    while (true) {
      const summaries = await mailbox.messagesAfter(place.uid, lettersAtOnce)
      host.connected()
      const last = summaries.at(-1)
      if (!last) return place
      for (const summary of summaries) {
        const letter = await read(mailbox, summary)
        place = { ...place, uid: summary.uid }
        const messages: InboundMessage[] = letter ? [letter.message] : []
        if (letter) subjects.set(`${letter.message.chat_id} ${letter.message.thread_id}`, letter.subject)
        if (messages.length > 0 || summary === last) await host.accept(messages, cursorOf(place))
        if (messages.length > 0) await mailbox.markSeen([summary.uid])
      }
    }
  }

  async function follow(signal: AbortSignal): Promise<void> {
    const mailbox = await Mailbox.open(settings, signal)
    try {
      const { uidValidity, uidNext } = mailbox
      let place = placeIn(await host.cursor())
      if (place?.uidValidity !== uidValidity) {
        if (place) host.log.warn('The mail server has numbered its messages anew: those sent meanwhile are passed over')
        place = { uidValidity, uid: uidNext - 1 }
        await host.accept([], cursorOf(place))
      }
      while (!signal.aborted) {
        place = await take(mailbox, place)
        await mailbox.wait(waits)
      }
    } finally {
      mailbox.close()
    }
  }

  async function fetchMedia({ ref, maxBytes }: MediaRequest, signal: AbortSignal): Promise<MediaSource> {
    const [, uidValidity, uid = '', part = ''] = mediaRef.exec(ref) ?? []
    if (uidValidity === undefined) {
      throw new PlatformError('No part of a message', { code: 'invalid_media', permanent: true })
    }
    const mailbox = await Mailbox.open(settings, signal)
    if (mailbox.uidValidity !== uidValidity) {
      mailbox.close()
      throw new PlatformError('The message can no longer be found', { code: 'media_gone', permanent: true })
    }
    return { content_type: null, filename: null, bytes: bytesOf(mailbox, { uid: Number(uid), part, maxBytes }) }
  }

  return {
    mode: 'polling',

    receive: untilAborted(follow),

    send: (part, signal) => outbox.send(part, signal),
    fetchMedia,

    async check(signal) {
      const mailbox = await Mailbox.open(settings, signal)
      mailbox.close()
      await outbox.verify(signal)
      return { identity: settings.from_address }
    },
  }
}

async function* bytesOf(mailbox: Mailbox, { uid, part, maxBytes }: { uid: number; part: string; maxBytes: number }) {
  try {
    let length = 0
    for await (const chunk of mailbox.readFile(uid, part)) {
      length += chunk.byteLength
      if (length > maxBytes) throw new RuntimeError('too_large', `The file is larger than ${maxBytes} bytes`)
      yield chunk
    }
  } finally {
    mailbox.close()
  }
}

function cursorOf({ uidValidity, uid }: Place): string {
  return `${uidValidity}:${uid}`
}

function placeIn(cursor: string | null): Place | null {
  const [, uidValidity, uid] = /^(\d{1,20}):(\d{1,10})$/.exec(cursor ?? '') ?? []
  return uidValidity === undefined ? null : { uidValidity, uid: Number(uid) }
}
