import { z } from 'zod'
import { platforms } from '#sdk/channels/platforms.ts'
import type { AdapterHost, OutboundPart } from '../../adapter.ts'
import { PlatformError } from '../../platform-error.ts'
import { readBounded } from '../../read-bounded.ts'
import { failureOf, type SignalApi } from './api.ts'
import { messageId, readMessageId, recipientOf, timestamp } from './chat.ts'

const sent = z.object({ timestamp, results: z.unknown().optional() })
const contentType = /^[a-z0-9!#$&^_.+-]{1,100}\/[a-z0-9!#$&^_.+-]{1,100}$/i

/** What is said on Signal. It takes no key: what is sent again is shown again. */
export async function sendPart(
  part: OutboundPart,
  { api, host, number }: { api: SignalApi; host: AdapterHost; number: string },
  signal: AbortSignal,
): Promise<{ message_id: string }> {
  const answered = part.reply_to === null ? null : readMessageId(part.reply_to)
  const params = {
    ...checkedRecipient(part.chat_id),
    message: part.text,
    ...(part.file && { attachments: [await dataUri(part.file, host)] }),
    ...(answered && { quoteTimestamp: answered.sentAt, quoteAuthor: answered.sender, quoteMessage: '' }),
  }
  const { timestamp: sentAt, results } = await api.call(sent, { method: 'send', params }, signal)
  const failure = failureOf(results)
  if (failure) throw failure
  return { message_id: messageId(number, sentAt) }
}

/** Ids come from the outbox, and there from whoever named a place to deliver to. */
export function checkedRecipient(chat: string): NonNullable<ReturnType<typeof recipientOf>> {
  const recipient = recipientOf(chat)
  if (recipient) return recipient
  const message = 'A Signal conversation is named by a phone number, an account id or a group id'
  throw new PlatformError(message, { code: 'invalid_chat', permanent: true })
}

/** The daemon takes what begins otherwise for the path of a file on its own machine. */
async function dataUri(file: NonNullable<OutboundPart['file']>, host: AdapterHost): Promise<string> {
  const bytes = await readBounded(host.readFile(file), platforms.signal.fileBytes)
  const { content_type, filename } = file.about
  const type = contentType.test(content_type) ? content_type : 'application/octet-stream'
  return `data:${type};filename=${encodeURIComponent(filename.toWellFormed())};base64,${bytes.toString('base64')}`
}
