import type { SessionInfo } from '@discordjs/ws'
import { z } from 'zod'
import type { ChannelUpdate } from '#sdk/channels/message.ts'
import { snowflake } from './inbound.ts'

/** Channels whose last message is remembered: their cursor stays well below its bound of 4,096 characters. */
const maxChannels = 32

const seenChannel = z.object({ channel: snowflake, guild: snowflake.nullable(), last: snowflake })
export type SeenChannel = z.infer<typeof seenChannel>

const cursorShape = z.object({
  session: z
    .object({ id: z.string().max(128), seq: z.number().int().min(0), url: z.url({ protocol: /^wss?$/ }).max(512) })
    .nullable(),
  seen: z.array(seenChannel).max(maxChannels),
})

/** How far Discord's events are kept: the session to be resumed, and the last message of the channels lately heard from. */
export interface Progress {
  session: SessionInfo | null
  /** The channel that was heard from last at the end. */
  seen: readonly SeenChannel[]
}

/** What can not be read is a beginning: nothing worse comes of it than messages that are not made up for. */
export function readProgress(cursor: string | null): Progress {
  const { data } = cursorShape.safeParse(parsed(cursor))
  if (!data) return { session: null, seen: [] }
  const { session, seen } = data
  if (!session) return { session, seen }
  const { id, seq, url } = session
  return { session: { sessionId: id, sequence: seq, resumeURL: url, shardId: 0, shardCount: 1 }, seen }
}

export function writeProgress({ session, seen }: Progress): string {
  const kept = session && { id: session.sessionId, seq: session.sequence, url: session.resumeURL }
  return JSON.stringify({ session: kept, seen: [...seen] } satisfies z.infer<typeof cursorShape>)
}

export function seenAfter(seen: readonly SeenChannel[], updates: readonly ChannelUpdate[]): readonly SeenChannel[] {
  const channels = new Map(seen.map((entry) => [entry.channel, entry]))
  for (const update of updates) {
    if (update.type !== 'message' || update.message_id === null || update.edited) continue
    const last = channels.get(update.chat_id)?.last
    channels.delete(update.chat_id)
    const newest = last !== undefined && BigInt(last) > BigInt(update.message_id) ? last : update.message_id
    channels.set(update.chat_id, { channel: update.chat_id, guild: update.guild_id, last: newest })
  }
  return [...channels.values()].slice(-maxChannels)
}

function parsed(cursor: string | null): unknown {
  try {
    return JSON.parse(cursor ?? 'null')
  } catch {
    return null
  }
}
