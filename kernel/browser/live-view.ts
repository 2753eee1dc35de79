import type { Logger } from 'pino'
import { z } from 'zod'
import type { SocketConnection } from '#kernel/http/socket-connection.ts'
import { jsonOf, type SocketTalk } from '#kernel/http/topics.ts'
import { isErrorOf, toRuntimeError } from '#sdk/errors.ts'
import { timestamp } from '#sdk/ids.ts'
import { type Browser, defaultSession } from './browser.ts'

/** Views that are open at once, whoever watches. */
export const maxWatchers = 4

const session = z.string().min(1).max(512)
const watchMessage = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('browser_watch'),
    session: session.default(defaultSession),
    fps: z.number().min(1).max(15).default(2),
    width: z.int().min(160).max(1_920).default(800),
    quality: z.int().min(10).max(90).default(60),
  }),
  z.object({ type: z.literal('browser_unwatch'), session: session.default(defaultSession) }),
])
type Wanted = Extract<z.output<typeof watchMessage>, { type: 'browser_watch' }>

const messageType = z.object({ type: z.enum(['browser_watch', 'browser_unwatch']) })

/** Shows clients of the WebSocket what a session of the browser shows. Starts no browser, and keeps no frame for later. */
export class LiveView implements SocketTalk {
  readonly #browser: Pick<Browser, 'isStarted' | 'watch'>
  readonly #log: Logger
  readonly #views = new Map<SocketConnection, Map<string, AbortController>>()

  constructor({ browser, log }: { browser: Pick<Browser, 'isStarted' | 'watch'>; log: Logger }) {
    this.#browser = browser
    this.#log = log
  }

  takes(text: string): boolean {
    return text.includes('browser_') && messageType.safeParse(jsonOf(text)).success
  }

  async answer(connection: SocketConnection, text: string): Promise<void> {
    const { data: message, error } = watchMessage.safeParse(jsonOf(text))
    if (!message) {
      const issue = error.issues[0]
      tell(connection, { type: 'browser_unwatched', error: `${issue?.path.join('.')}: ${issue?.message}` })
    } else if (message.type === 'browser_watch') this.#watch(connection, message)
    else this.#unwatch(connection, message.session)
  }

  forget(connection: SocketConnection): void {
    for (const view of this.#views.get(connection)?.values() ?? []) view.abort()
    this.#views.delete(connection)
  }

  close(): void {
    for (const connection of this.#views.keys()) this.forget(connection)
  }

  get #count(): number {
    return this.#views.values().reduce((sum, { size }) => sum + size, 0)
  }

  /** A second word about the same session takes the first one's place. */
  #watch(connection: SocketConnection, { type: _, ...wanted }: Wanted): void {
    if (!connection.isOpen) return
    const { session } = wanted
    const views = this.#views.get(connection) ?? new Map<string, AbortController>()
    const earlier = views.get(session)
    const refusal = this.#refusal(earlier === undefined)
    if (refusal !== undefined) {
      tell(connection, { type: 'browser_unwatched', session, error: refusal })
      return
    }
    earlier?.abort()
    const view = new AbortController()
    this.#views.set(connection, views.set(session, view))
    tell(connection, { type: 'browser_watching', ...wanted })
    void this.#show(connection, wanted, view)
  }

  #refusal(isOneMore: boolean): string | undefined {
    if (!this.#browser.isStarted) return 'browser not started'
    return isOneMore && this.#count >= maxWatchers ? `there are ${maxWatchers} watchers already` : undefined
  }

  async #show(connection: SocketConnection, wanted: Omit<Wanted, 'type'>, view: AbortController): Promise<void> {
    const { session } = wanted
    let error: string | null = null
    try {
      await this.#browser.watch(wanted, {
        signal: view.signal,
        onChunk: (frame) => {
          // Who reads slowly sees fewer frames, and none that is old.
          if (!view.signal.aborted && !connection.isFull) tell(connection, { type: 'browser_frame', session, ...frame })
        },
      })
    } catch (thrown) {
      if (!view.signal.aborted) error = this.#reason(thrown)
    }
    // Another view of the session may have taken its place.
    const views = this.#views.get(connection)
    if (views?.get(session) !== view) return
    views.delete(session)
    tell(connection, { type: 'browser_unwatched', session, ...(error !== null && { error }) })
  }

  #reason(thrown: unknown): string {
    if (isErrorOf(thrown, 'internal')) this.#log.error({ err: thrown }, 'a live view failed')
    return toRuntimeError(thrown).message
  }

  /** The view itself tells that it has ended. */
  #unwatch(connection: SocketConnection, session: string): void {
    const view = this.#views.get(connection)?.get(session)
    if (view) view.abort()
    else tell(connection, { type: 'browser_unwatched', session, error: 'session: is not watched' })
  }
}

function tell(connection: SocketConnection, frame: Record<string, unknown>): void {
  connection.send(JSON.stringify({ timestamp: timestamp(), ...frame }))
}
