import { z } from 'zod'
import {
  type ChannelUpdate,
  channelBounds,
  type InboundAttachment,
  type InboundMessage,
  type InboundPress,
} from '#sdk/channels/message.ts'
import { mediaKindOf } from '../../media-kind.ts'

const maxNameLength = 256
const slackbot = 'USLACKBOT'
/** Of the many kinds of message, those that a person wrote; an edit is told apart before. */
const spokenSubtypes = new Set<string | undefined>([undefined, 'file_share', 'thread_broadcast'])

/** Slack's ids of people, channels and teams. */
export const slackId = z.string().regex(/^[A-Z0-9]{1,64}$/)
const timestamp = z.string().regex(/^\d{1,12}\.\d{1,9}$/)
const name = z.string().nullish().catch(null)

const content = z.object({
  user: slackId,
  bot_id: z.string().nullish(),
  subtype: z.string().optional(),
  text: z.string().default(''),
  ts: timestamp,
  thread_ts: timestamp.nullish(),
  parent_user_id: z.string().nullish().catch(null),
  edited: z.object({ ts: timestamp }).nullish().catch(null),
  files: z.array(z.unknown()).catch([]),
})

const place = z.object({ channel: slackId, channel_type: z.string().nullish() })

const file = z.object({
  url_private: z.url({ protocol: /^https?$/ }).max(4_096),
  url_private_download: z
    .url({ protocol: /^https?$/ })
    .max(4_096)
    .nullish()
    .catch(null),
  is_external: z.boolean().nullish(),
  name,
  mimetype: name,
  size: z.number().int().min(0).nullish().catch(null),
})

const eventCallback = z.object({
  type: z.literal('event_callback'),
  team_id: slackId.nullish().catch(null),
  authorizations: z.array(z.object({ user_id: slackId, is_bot: z.boolean() })).catch([]),
  event: z.looseObject({ type: z.string() }),
})

const blockActions = z.object({
  type: z.literal('block_actions'),
  user: z.object({ id: slackId, username: name, name }),
  team: z.object({ id: slackId }).nullish().catch(null),
  channel: z.object({ id: slackId }),
  container: z.object({ message_ts: timestamp, thread_ts: timestamp.nullish().catch(null) }),
  message: z.object({ thread_ts: timestamp.nullish() }).nullish().catch(null),
  actions: z.array(z.object({ value: z.string().min(1).max(256), action_ts: timestamp })).min(1),
})

/** A press under the id by which it is answered: where it was pressed, and by whom. */
export interface PressPlace {
  channel: string
  thread: string | null
  user: string
}

/** What the body of a webhook says, as JSON or as the form in which Slack sends presses. */
export function readWebhook(body: string, ownId: string | null): ChannelUpdate[] {
  const text = body.startsWith('payload=') ? (new URLSearchParams(body).get('payload') ?? '') : body
  try {
    return readPayload(JSON.parse(text), ownId)
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return []
    throw thrown
  }
}

/** The same for the payload of an envelope of Socket Mode; what is no message of a person and no press is no update. */
export function readPayload(given: unknown, ownId: string | null): ChannelUpdate[] {
  const called = eventCallback.safeParse(given).data
  const update = called ? readEvent(called, ownId) : readPress(given)
  return update ? [update] : []
}

function readEvent(called: z.infer<typeof eventCallback>, knownId: string | null): InboundMessage | null {
  const { event, team_id, authorizations } = called
  if (event.type !== 'message' && event.type !== 'app_mention') return null
  const where = place.safeParse(event).data
  const edited = event.subtype === 'message_changed'
  const said = content.safeParse(edited ? event.message : event).data
  const ownId = knownId ?? authorizations.find(({ is_bot }) => is_bot)?.user_id ?? null
  if (!where || !said || !spokenSubtypes.has(said.subtype)) return null
  if (said.bot_id || said.user === ownId || said.user === slackbot) return null
  // Slack also tells of a message that it has only put a preview under.
  if (edited && !said.edited) return null
  const attachments = said.files.slice(0, channelBounds.attachments).flatMap(readFile)
  if (said.text.trim() === '' && attachments.length === 0) return null
  const direct = where.channel_type === 'im' || where.channel.startsWith('D')
  const mentioned = event.type === 'app_mention' || (ownId !== null && mentionOf(ownId).test(said.text))
  const ours = ownId !== null && said.parent_user_id === ownId
  const sentAt = edited && said.edited ? said.edited.ts : said.ts
  return {
    type: 'message',
    // What mentions the bot in a channel comes as two events, of which this is the same.
    external_id: edited ? `${where.channel}:${said.ts}:${sentAt}` : `${where.channel}:${said.ts}`,
    message_id: said.ts,
    chat_id: where.channel,
    thread_id: said.thread_ts ?? null,
    chat_kind: direct ? 'direct' : 'group',
    guild_id: team_id ?? null,
    sender_id: said.user,
    sender_name: null,
    text: plainText(said.text, ownId).slice(0, channelBounds.textBytes),
    addressed: direct || mentioned || ours,
    edited,
    attachments,
    sent_at: isoTime(sentAt),
  }
}

function readPress(given: unknown): InboundPress | null {
  const { data } = blockActions.safeParse(given)
  const action = data?.actions[0]
  if (!data || !action) return null
  const { user, channel, container } = data
  const thread = container.thread_ts ?? data.message?.thread_ts ?? null
  return {
    type: 'press',
    external_id: [channel.id, thread ?? '', user.id, container.message_ts, action.action_ts].join(':'),
    message_id: container.message_ts,
    chat_id: channel.id,
    thread_id: thread,
    chat_kind: channel.id.startsWith('D') ? 'direct' : 'group',
    guild_id: data.team?.id ?? null,
    sender_id: user.id,
    sender_name: (user.username ?? user.name)?.slice(0, maxNameLength) ?? null,
    value: action.value,
    sent_at: isoTime(action.action_ts),
  }
}

export function pressPlace(externalId: string): PressPlace | null {
  const [channel = '', thread = '', user = '', ...rest] = externalId.split(':')
  if (rest.length !== 2 || !slackId.safeParse(channel).success || !slackId.safeParse(user).success) return null
  return { channel, thread: thread === '' ? null : thread, user }
}

function readFile(given: unknown): InboundAttachment[] {
  const { data } = file.safeParse(given)
  // What is kept elsewhere is a link, and stands in the text.
  if (!data || data.is_external) return []
  const contentType = data.mimetype?.slice(0, maxNameLength) ?? null
  return [
    {
      kind: mediaKindOf(contentType),
      ref: data.url_private_download ?? data.url_private,
      filename: data.name?.slice(0, maxNameLength) ?? null,
      content_type: contentType,
      size_bytes: data.size ?? null,
    },
  ]
}

/** In Slack's own markup: what a person types in such a form comes escaped. */
function mentionOf(ownId: string): RegExp {
  return new RegExp(`<@${ownId}(?:\\|[^<>]*)?>`)
}

/**
 * Slack's references as plain text: links as their address, people and channels by id. The bot's mention at the beginning
 * is the address, and no part of the text.
 */
function plainText(text: string, ownId: string | null): string {
  const own = ownId === null ? null : new RegExp(`^\\s*${mentionOf(ownId).source}\\s*`)
  return (own ? text.replace(own, '') : text)
    .replace(/<((?:https?|mailto|tel):[^|<>]*)(?:\|[^<>]*)?>/g, (_, url: string) => url.replace(/^(?:mailto|tel):/, ''))
    .replace(/<([@#][A-Z0-9]+)\|[^<>]*>/g, '<$1>')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&')
}

function isoTime(ts: string): string {
  return new Date(Number(ts) * 1_000).toISOString()
}
