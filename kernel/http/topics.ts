import type { Logger } from 'pino'
import { z } from 'zod'
import type { EventName } from '#sdk/events.ts'
import { timestamp } from '#sdk/ids.ts'
import type { SocketConnection } from './socket-connection.ts'

/** What a client may say on its WebSocket, beside keep-alives. */
export interface SocketTalk {
  /** False when the text is about something else. */
  takes(text: string): boolean
  answer(connection: SocketConnection, text: string): Promise<void>
  /** The connection is gone. */
  forget(connection: SocketConnection): void
  close(): void
}

/** Something a client can watch: what it looks like now, and the events after which it looks different. */
export interface Topic {
  snapshot(): Promise<unknown>
  on: readonly EventName[]
}

const changedAfterMs = 250
const maxTopicsAMessage = 64

const topicsMessage = z.object({
  type: z.enum(['subscribe', 'unsubscribe']),
  topics: z.array(z.string().max(64, 'is too long')).max(maxTopicsAMessage, `names more than ${maxTopicsAMessage}`),
})
const topicsMessageType = topicsMessage.pick({ type: true })

/** Keeps who watches what, and tells them: one snapshot for all watchers of a topic. */
export class TopicHub implements SocketTalk {
  readonly #topics: Readonly<Record<string, Topic>>
  readonly #log: Logger
  readonly #watchers = new Map<string, Set<SocketConnection>>()
  readonly #topicsByEvent = new Map<string, string[]>()
  readonly #timers = new Map<string, NodeJS.Timeout>()
  readonly #running = new Map<string, Promise<unknown>>()
  readonly #queued = new Map<string, Promise<unknown>>()

  constructor(topics: Readonly<Record<string, Topic>>, log: Logger) {
    this.#topics = topics
    this.#log = log
    for (const [name, { on }] of Object.entries(topics)) {
      for (const event of on) this.#topicsByEvent.set(event, [...(this.#topicsByEvent.get(event) ?? []), name])
    }
  }

  takes(text: string): boolean {
    // Most messages are keep-alives and never JSON of this kind.
    return text.includes('subscribe') && topicsMessageType.safeParse(jsonOf(text)).success
  }

  async answer(connection: SocketConnection, text: string): Promise<void> {
    const { data: message, error } = topicsMessage.safeParse(jsonOf(text))
    if (!message) {
      const issue = error.issues[0]
      connection.send(
        JSON.stringify({ type: 'subscribed', topics: [], error: `${issue?.path.join('.')}: ${issue?.message}` }),
      )
      return
    }
    const known = [...new Set(message.topics)].filter((name) => Object.hasOwn(this.#topics, name))
    const unknown = message.topics.filter((name) => !Object.hasOwn(this.#topics, name))
    const problems = unknown.length > 0 ? [`unknown topics: ${unknown.join(', ')}`] : []
    if (message.type === 'unsubscribe') {
      for (const name of known) this.#watchers.get(name)?.delete(connection)
    } else {
      problems.push(...(await this.#subscribe(connection, known)))
    }
    const trouble = problems.length > 0 && { error: problems.join('; ') }
    connection.send(JSON.stringify({ type: `${message.type}d`, topics: known, ...trouble }))
  }

  /** Sends the snapshots; returns what went wrong. */
  async #subscribe(connection: SocketConnection, names: readonly string[]): Promise<string[]> {
    const problems: string[] = []
    for (const name of names) {
      const watchers = this.#watchers.get(name) ?? new Set()
      this.#watchers.set(name, watchers.add(connection))
      try {
        connection.send(topicFrame(`${name}.snapshot`, await this.#snapshot(name)))
      } catch (thrown) {
        this.#log.error({ err: thrown, topic: name }, 'a topic snapshot failed')
        problems.push(`${name} is unavailable at the moment`)
      }
    }
    if (!connection.isOpen) this.forget(connection)
    return problems
  }

  forget(connection: SocketConnection): void {
    for (const watchers of this.#watchers.values()) watchers.delete(connection)
  }

  /** The first event starts the clock and later ones wait with it, so that a busy topic is still told. */
  onEvent(type: string): void {
    for (const name of this.#topicsByEvent.get(type) ?? []) {
      if (this.#timers.has(name) || !this.#watchers.get(name)?.size) continue
      this.#timers.set(
        name,
        setTimeout(() => {
          this.#timers.delete(name)
          void this.#tellChange(name)
        }, changedAfterMs),
      )
    }
  }

  close(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
    this.#watchers.clear()
  }

  async #tellChange(name: string): Promise<void> {
    try {
      const frame = topicFrame(`${name}.changed`, await this.#snapshot(name))
      for (const connection of this.#watchers.get(name) ?? []) connection.send(frame)
    } catch (thrown) {
      this.#log.error({ err: thrown, topic: name }, 'a topic snapshot failed')
    }
  }

  /** One snapshot at a time and one waiting, which later askers share: never older than the question, never out of order. */
  #snapshot(name: string): Promise<unknown> {
    const queued = this.#queued.get(name)
    if (queued) return queued
    const running = this.#running.get(name)
    const { snapshot } = this.#topics[name] as Topic
    const next = (running ? running.then(ignore, ignore) : Promise.resolve()).then(() => {
      this.#queued.delete(name)
      this.#running.set(name, next)
      return snapshot()
    })
    this.#queued.set(name, next)
    const done = () => {
      if (this.#running.get(name) === next) this.#running.delete(name)
    }
    next.then(done, done)
    return next
  }
}

function ignore(): void {}

function topicFrame(type: string, data: unknown): Buffer {
  return Buffer.from(JSON.stringify({ type, data, timestamp: timestamp() }))
}

export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
