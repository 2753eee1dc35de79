import { authorityAtLeast } from '#kernel/policy/authority.ts'
import { listedChats, type TrustSettings, trustedSenders } from '#kernel/policy/grants.ts'
import { findDirectChat, hasSpokenIn } from '#kernel/store/channel-inbox.ts'
import { findPeer, listPeers } from '#kernel/store/channel-peers.ts'
import type { ReadableDb } from '#kernel/store/database.ts'
import type { PlatformName } from '#sdk/channels/platforms.ts'
import { type Conversation, conversationKey, readConversation } from './conversation.ts'

interface Known {
  read: ReadableDb
  settings: TrustSettings
}

/** The chats that a channel as a whole stands for: those of its allow list, and those of the people paired there. */
export function chatsOfChannel(channel: PlatformName, { read, settings }: Known): Conversation[] {
  const listed = listedChats(channel, settings.channels).map((chat_id) => ({ channel, chat_id, thread_id: null }))
  const paired = listPeers(read)
    .filter((peer) => peer.channel === channel)
    .map(({ chat_id }) => ({ channel, chat_id, thread_id: null }))
  return distinct([...listed, ...paired])
}

/** Where the channel's Creators are spoken to alone, as far as that is known. */
export function creatorChats(channel: PlatformName, { read, settings }: Known): Conversation[] {
  if (!authorityAtLeast(settings.security.trusted_authority, 'Creator')) return []
  const trusted = trustedSenders(channel, settings.channels).flatMap((sender) => {
    const chat = findDirectChat(read, channel, sender) ?? findPeer(read, channel, sender)
    return chat ? [{ channel, chat_id: chat.chat_id, thread_id: null }] : []
  })
  const paired = listPeers(read)
    .filter((peer) => peer.channel === channel && peer.authority === 'Creator')
    .map(({ chat_id }) => ({ channel, chat_id, thread_id: null }))
  return distinct([...trusted, ...paired])
}

/** Whether somebody who is vouched for is there: by the allow list, by a code, or by what was said there. */
export function isKnownChat(conversation: Conversation, known: Known): boolean {
  const { channel, chat_id } = conversation
  return (
    chatsOfChannel(channel, known).some((chat) => chat.chat_id === chat_id) || hasSpokenIn(known.read, channel, chat_id)
  )
}

/** What a text such as `telegram` or `telegram:-100123` sends to; a string says why it sends to nobody. */
export function destinationsOf(text: string, known: Known): Conversation[] | string {
  const named = readConversation(text)
  if (named === undefined) return `there is no channel ${text}`
  if (typeof named !== 'string') return [named]
  const chats = chatsOfChannel(named, known)
  return chats.length > 0 ? chats : `nobody is allowed on ${named}, so there is no chat to send to`
}

function distinct(conversations: readonly Conversation[]): Conversation[] {
  return [...new Map(conversations.map((one) => [conversationKey(one), one])).values()]
}
