import type { ChatAddress } from '#sdk/channels/message.ts'
import { type PlatformName, platformName } from '#sdk/channels/platforms.ts'

/** A conversation on a channel. */
export interface Conversation extends ChatAddress {
  channel: PlatformName
}

/** What is said within one conversation keeps its order. */
export function conversationKey({ channel, chat_id, thread_id }: Conversation): string {
  return JSON.stringify([channel, chat_id, thread_id])
}

/** As people and jobs write it: `telegram:-100123`, and with a thread `telegram:-100123 7`. */
export function conversationText({ channel, chat_id, thread_id }: Conversation): string {
  return `${channel}:${chat_id}${thread_id === null ? '' : ` ${thread_id}`}`
}

/** What such a text names: one conversation, or a channel as a whole; undefined where it is neither. */
export function readConversation(text: string): Conversation | PlatformName | undefined {
  const [, name = '', chat_id, thread_id = null] = /^([a-z]+)(?::(\S+)(?: (\S+))?)?$/.exec(text.trim()) ?? []
  const channel = platformName.safeParse(name).data
  if (channel === undefined) return undefined
  return chat_id === undefined ? channel : { channel, chat_id, thread_id }
}
