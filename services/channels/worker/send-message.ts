import type { OutboundMessage, SendOutcome } from '#sdk/channels/message.ts'
import type { PlatformName } from '#sdk/channels/platforms.ts'
import { RuntimeError } from '#sdk/errors.ts'
import type { Adapter } from '../adapter.ts'
import type { ErrorText } from '../error-text.ts'
import type { ChannelTimes } from '../times.ts'
import { outcomeOf } from './failure.ts'
import { outboundParts } from './outbound-parts.ts'

export interface SentPart {
  /** From 0 on. */
  part: number
  parts: number
  message_id: string | null
}

export interface Sending {
  platform: PlatformName
  times: Pick<ChannelTimes, 'partMs' | 'sendMs'>
  errorText: ErrorText
  signal: AbortSignal
  emit: (sent: SentPart) => Promise<void>
}

/** Sends the parts that are still to be sent, in order, up to the first that fails. */
export async function sendMessage(
  message: OutboundMessage,
  adapter: Pick<Adapter, 'send'>,
  { platform, times, errorText, signal, emit }: Sending,
): Promise<SendOutcome> {
  const begunAt = performance.now()
  try {
    const parts = outboundParts(message, platform)
    for (const part of parts.slice(message.parts_sent)) {
      const timeLeft = times.sendMs - (performance.now() - begunAt)
      if (timeLeft < times.partMs) {
        const error = `${part.index} of ${parts.length} parts are sent, and there is no time for the next`
        return { status: 'retry', error, code: null, retry_after_ms: 0 }
      }
      const { message_id } = await withDeadline(times.partMs, signal, (ended) => adapter.send(part, ended))
      await emit({ part: part.index, parts: parts.length, message_id })
    }
    return { status: 'sent' }
  } catch (thrown) {
    return outcomeOf(thrown, errorText)
  }
}

/** Settles by the deadline even where the work does not heed its signal. */
async function withDeadline<T>(
  timeoutMs: number,
  signal: AbortSignal,
  work: (ended: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted()
  const late = new AbortController()
  const timer = setTimeout(
    () => late.abort(new RuntimeError('timeout', `The platform did not answer within ${timeoutMs} ms`)),
    timeoutMs,
  )
  const ended = AbortSignal.any([signal, late.signal])
  const end = new Promise<never>((_, reject) =>
    ended.addEventListener('abort', () => reject(ended.reason), { once: true }),
  )
  try {
    return await Promise.race([work(ended), end])
  } finally {
    clearTimeout(timer)
  }
}
