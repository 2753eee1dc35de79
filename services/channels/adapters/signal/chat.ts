import { z } from 'zod'

/** In the international form. */
export const phoneNumber = z.string().regex(/^\+\d{5,15}$/)
/** Of accounts that do not show their number. */
export const accountId = z.string().regex(/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
/** Of 32 bytes, or 16 of old groups, as base64. */
export const groupId = z.string().regex(/^(?:[A-Za-z0-9+/]{43}=|[A-Za-z0-9+/]{22}==)$/)
export const timestamp = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)

/** How signal-cli names a conversation; null where it is none. */
export function recipientOf(chat: string): { recipient: [string] } | { groupId: string } | null {
  if (phoneNumber.safeParse(chat).success || accountId.safeParse(chat).success) return { recipient: [chat] }
  return groupId.safeParse(chat).success ? { groupId: chat } : null
}

/** A message is told by who sent it and when; Signal has no other name for it. */
export function messageId(sender: string, sentAt: number): string {
  return `${sender}:${sentAt}`
}

export function readMessageId(id: string): { sender: string; sentAt: number } | null {
  const [, sender = '', digits = ''] = /^(.+):(\d{1,16})$/.exec(id) ?? []
  const sentAt = timestamp.safeParse(digits === '' ? undefined : Number(digits)).data
  const known = phoneNumber.safeParse(sender).success || accountId.safeParse(sender).success
  return known && sentAt !== undefined ? { sender, sentAt } : null
}
