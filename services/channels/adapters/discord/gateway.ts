import { setTimeout as delay } from 'node:timers/promises'
import { type SessionInfo, WebSocketManager, WebSocketShardEvents } from '@discordjs/ws'
import { type GatewayDispatchPayload, GatewayIntentBits } from 'discord-api-types/v10'
import { z } from 'zod'
import { reasonOf } from '#sdk/errors.ts'
import { PlatformError } from '../../platform-error.ts'
import { asPlatformError, type DiscordApi, read } from './api.ts'

/** 37377: what is written in guilds and to the bot, and that Discord says what was written. */
const intents =
  GatewayIntentBits.Guilds |
  GatewayIntentBits.GuildMessages |
  GatewayIntentBits.DirectMessages |
  GatewayIntentBits.MessageContent

const handshakeMs = 10_000
const helloMs = 15_000
const readyMs = 20_000
const leaveMs = 2_000
const maxWaitingEvents = 10_000
const eventsAtOnce = 100

/** With which the library leaves a connection to come back to its session at once. */
const resumingCode = 4200
/** After these there is nothing to come back to. */
const endedSessionCodes = new Set([1000, 1001, 4003, 4005, 4007, 4009])

/** What no second try mends. */
const fatalCodes: Readonly<Record<number, string>> = {
  4004: 'Discord does not take the bot token',
  4010: 'Discord does not know the shard',
  4011: 'The bot is in more servers than one connection serves: Discord asks for shards, which Keel does not do',
  4012: 'Discord no longer serves version 10 of its gateway',
  4013: 'Discord does not know the intents that Keel asks for',
  4014: 'Discord refuses the intents: enable the Message Content intent of the bot in the Developer Portal',
}

export interface GatewayStay {
  api: DiscordApi
  token: string
  /** Where an earlier stay ended. */
  session: SessionInfo | null
  /** Keeps what the events say together with the session as of the last of them. */
  keep(events: readonly GatewayDispatchPayload[], session: SessionInfo | null): Promise<void>
  /** Discord has spoken. */
  spoke(): void
}

/**
 * Follows the gateway until the signal ends it; throws when the connection is lost, since the host is who waits and tries
 * again. The session's sequence moves on only once `keep` has resolved: the library is shown the kept one, so its
 * heartbeats never acknowledge and its resumes never pass over what is not kept. An event may therefore come twice, and
 * one just behind READY before it. What Discord no longer replays is the caller's to make up for, at READY.
 */
export async function followGateway(stay: GatewayStay, signal: AbortSignal): Promise<void> {
  const { api, token, keep, spoke } = stay
  let session = stay.session
  let connecting = false
  let left = false
  let lost: unknown
  let wake = Promise.withResolvers<void>()
  /** The library can not abandon a handshake that is under way. */
  let handshake = Promise.withResolvers<void>()
  let greeted = false
  let readyClock: NodeJS.Timeout | undefined
  let socketError: string | null = null
  const waiting: GatewayDispatchPayload[] = []

  const manager = new WebSocketManager({
    rest: api.rest,
    token,
    intents,
    shardCount: 1,
    shardIds: [0],
    handshakeTimeout: handshakeMs,
    helloTimeout: helloMs,
    readyTimeout: readyMs,
    retrieveSessionInfo: () => {
      if (!left) return session
      // Every new connection begins with this question: unanswered, none is made.
      handshake.resolve()
      return new Promise<never>(() => {})
    },
    updateSessionInfo: (_, told) => {
      if (!left && told?.sessionId !== session?.sessionId) session = told
    },
  })

  function end(reason: unknown): void {
    lost ??= reason
    wake.resolve()
  }

  manager.on(WebSocketShardEvents.Dispatch, (event) => {
    if (left) return
    waiting.push(event)
    if (waiting.length > maxWaitingEvents) end(new Error('Discord sends faster than its events can be kept'))
    wake.resolve()
  })
  manager.on(WebSocketShardEvents.Hello, () => {
    greeted = true
    handshake.resolve()
    readyClock = setTimeout(() => end(new Error('Discord did not begin the session')), readyMs)
  })
  const begun = () => {
    clearTimeout(readyClock)
    spoke()
  }
  manager.on(WebSocketShardEvents.Ready, begun)
  manager.on(WebSocketShardEvents.Resumed, begun)
  manager.on(WebSocketShardEvents.HeartbeatComplete, spoke)
  manager.on(WebSocketShardEvents.SocketError, (error) => {
    socketError = reasonOf(error)
  })
  // What it says of a fatal close comes after the close itself, and says less.
  manager.on(WebSocketShardEvents.Error, end)
  manager.on(WebSocketShardEvents.Closed, (code) => {
    clearTimeout(readyClock)
    if (code === resumingCode && !left) {
      handshake = Promise.withResolvers()
      greeted = false
      return
    }
    left = true
    handshake.resolve()
    if (endedSessionCodes.has(code) || code in fatalCodes) session = null
    end(closeError(code, socketError))
  })

  const stop = () => wake.resolve()
  signal.addEventListener('abort', stop)
  try {
    const gateway = read(gatewayAnswer(api), await fetchGateway(manager))
    connecting = true
    manager.connect().catch((thrown) => {
      handshake.resolve()
      end(asPlatformError(thrown))
    })
    while (!signal.aborted) {
      const events = waiting.splice(0, eventsAtOnce)
      if (events.length > 0) {
        const sequences = events.map(({ s }) => s).filter(Number.isInteger)
        const reached = session && { ...session, sequence: Math.max(session.sequence, ...sequences) }
        await keep(events, reached)
        if (session && session.sessionId === reached?.sessionId) session = reached
      } else if (lost !== undefined) {
        // The address to resume at may be gone while Discord itself is not.
        if (session && !greeted) session = { ...session, resumeURL: gateway.url }
        await keep([], session)
        throw lost
      } else {
        await wake.promise
        wake = Promise.withResolvers()
      }
    }
  } finally {
    signal.removeEventListener('abort', stop)
    clearTimeout(readyClock)
    const open = connecting && !left
    left = true
    if (open) {
      await handshake.promise
      // The session is not ended by it, so the next stay resumes it.
      await Promise.race([manager.destroy({ code: resumingCode }), delay(leaveMs, undefined, { ref: false })])
    }
  }
}

async function fetchGateway(manager: WebSocketManager): Promise<unknown> {
  try {
    return await manager.fetchGatewayInformation()
  } catch (thrown) {
    throw asPlatformError(thrown)
  }
}

/** The token is sent there: in the clear only where the API itself is asked in the clear. */
function gatewayAnswer({ rest }: DiscordApi) {
  const protocol = rest.options.api.startsWith('http://') ? /^wss?$/ : /^wss$/
  return z.object({ url: z.url({ protocol }) })
}

function closeError(code: number, socketError: string | null): Error {
  const fatal = fatalCodes[code]
  if (fatal !== undefined) return new PlatformError(fatal, { code: `close_${code}`, permanent: true })
  const reason = socketError ?? `it was closed with code ${code}`
  return new PlatformError(`The connection to Discord's gateway was lost: ${reason}`, {
    code: `close_${code}`,
    permanent: false,
  })
}
