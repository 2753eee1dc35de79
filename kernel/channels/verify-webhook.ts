import { createHmac, hash, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

/*
 * Each says what is wrong with a webhook's secret or signature, in the words that its route answers with, or null. Nothing
 * of the body is read before, but its bytes.
 */

/** How old, or how far ahead, a signed time may be, in seconds: what was overheard can not be sent again later. */
const maxSkewSeconds = 300

/** Telegram repeats the secret that it was given. */
export function telegramProblem(headers: IncomingHttpHeaders, secret: string): string | null {
  const given = headers['x-telegram-bot-api-secret-token']
  return typeof given === 'string' && isSameText(given, secret) ? null : 'missing or invalid webhook secret'
}

/** WhatsApp signs the bytes of the body. */
export function whatsappProblem(headers: IncomingHttpHeaders, body: Buffer, secret: string): string | null {
  const given = headers['x-hub-signature-256']
  if (typeof given !== 'string' || !given.startsWith('sha256=')) return 'missing or invalid X-Hub-Signature-256'
  const hex = given.slice('sha256='.length)
  if (!isHex(hex)) return 'invalid webhook signature (bad hex)'
  const expected = createHmac('sha256', secret).update(body).digest()
  return isSameBytes(Buffer.from(hex, 'hex'), expected) ? null : 'invalid webhook signature'
}

/** Slack signs its version, the time and the bytes of the body. */
export function slackProblem(
  headers: IncomingHttpHeaders,
  body: Buffer,
  secret: string,
  now = Date.now(),
): string | null {
  const { 'x-slack-signature': given, 'x-slack-request-timestamp': time } = headers
  if (typeof given !== 'string' || !given.startsWith('v0=')) return 'missing or invalid X-Slack-Signature'
  if (typeof time !== 'string' || !/^\d{1,12}$/.test(time)) return 'missing or invalid X-Slack-Request-Timestamp'
  if (Math.abs(now / 1000 - Number(time)) > maxSkewSeconds) return 'the webhook is too old'
  const hex = given.slice('v0='.length)
  if (!isHex(hex)) return 'invalid webhook signature (bad hex)'
  const expected = createHmac('sha256', secret).update(`v0:${time}:`).update(body).digest()
  return isSameBytes(Buffer.from(hex, 'hex'), expected) ? null : 'invalid webhook signature'
}

/** Takes as long whatever is compared; an empty secret is none. */
export function isSameText(given: string, secret: string): boolean {
  const digest = (text: string) => hash('sha256', text, 'buffer')
  return timingSafeEqual(digest(given), digest(secret)) && secret !== ''
}

function isSameBytes(given: Buffer, expected: Buffer): boolean {
  return given.length === expected.length && timingSafeEqual(given, expected)
}

function isHex(text: string): boolean {
  return text.length % 2 === 0 && /^[0-9a-f]+$/i.test(text)
}
