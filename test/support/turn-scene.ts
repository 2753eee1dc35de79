import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTick } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { type Daemon, eventually, startDaemon, upstreamConfig } from './daemon.ts'
import { startUpstream, type Upstream, type UpstreamRequest } from './upstream.ts'
import type { UpstreamReply } from './upstream-reply.ts'

export type ServiceName = 'agent' | 'inference' | 'tools'
export type Door = 'message' | 'stream'
export type ProcessName = ServiceName | 'kernel'

/** What a caller has in front of it at the end. */
export interface Heard {
  turn_id: string
  session_id: string
  content: string
}

/** What the model says to a question, and what it says once its tools have ended; given once each. */
export interface ModelScript {
  first?: UpstreamReply
  last?: UpstreamReply
}

export const lastWords = 'Noted.'

const config = `[cache]
enabled = false

[context]
max_tokens = 1000000
`
const noteFile = 'note.txt'
const watchMs = 10_000

/** A Keel whose processes are frozen and killed in the middle of turns, with a view of the turns' journals. */
export interface TurnScene {
  readonly keel: Daemon
  readonly upstream: Upstream
  /** What the model says next, in place of having the turn's mark written and saying the last words. */
  script(replies: ModelScript): void
  /** Settles when the model has been asked so many times since the script was set. */
  modelIsAsked(times: number): Promise<void>
  /** Has the turn's own mark written, which a tool does that may not run twice. */
  writeMark(): UpstreamReply
  /** Asks in a session of its own, or a given one. */
  message(session_id?: string): Promise<Heard>
  stream(session_id?: string): Promise<Heard>
  /** What the listener of the newest stream has in front of it. */
  heard(): string
  /** How often the model was asked the question, and how often it was shown what its tools had done. */
  asked(): { first: number; last: number }
  /** The last request that showed the model what its tools had done. */
  shown(): string
  newestTurn(): { id: string; session_id: string; status: string }
  /** The newest turn's steps, as in `context`, `inference started`, `tool done`. */
  journal(): string[]
  /** Looks at the newest turn's row and journal until they are as wanted. */
  sees(what: string, fits: (journal: string[], status: string) => boolean): Promise<void>
  /** How often the newest turn's mark has been written. */
  marks(): number
  pid(name: ProcessName): number
  /** Remembers which processes there are now, for when the kernel can not be asked. */
  lookAround(): Promise<void>
  freeze(name: ProcessName): void
  thaw(name: ProcessName): void
  /** Ends a process by SIGKILL, and waits for the end of a kernel, or until the kernel has noticed, unless it is frozen. */
  kill(name: ProcessName): Promise<void>
  /** Lets everything that was frozen go on. */
  thawAll(): void
  /** A kernel on the same home. */
  restart(): Promise<void>
  dispose(): Promise<void>
}

export async function openTurnScene(): Promise<TurnScene> {
  const home = mkdtempSync(join(tmpdir(), 'keel-home-'))
  const upstream = await startUpstream(reply)
  let keel = await startDaemon({ home, config: upstreamConfig(upstream.url, config) })
  const db = new Database(join(home, 'keel.db'), { readonly: true })
  const selectNewest = db.prepare('SELECT id, session_id, status FROM turns ORDER BY rowid DESC LIMIT 1')
  const stepsOf = db.prepare('SELECT kind, status FROM turn_steps WHERE turn_id = ? ORDER BY seq')
  const pids = new Map<ProcessName, number>()
  const frozen = new Set<number>()
  let replies: ModelScript = {}
  let requests = 0
  let requestsBefore = 0
  let turns = 0
  let heard = ''

  function reply({ body }: UpstreamRequest): UpstreamReply {
    requests += 1
    const { first, last } = replies
    if (hasToolResults(body)) {
      delete replies.last
      return last ?? { text: lastWords }
    }
    delete replies.first
    return first ?? scene.writeMark()
  }

  function newestTurn() {
    const turn = selectNewest.get() as ReturnType<TurnScene['newestTurn']> | undefined
    return turn ?? { id: '', session_id: '', status: 'none' }
  }

  function journal() {
    const steps = stepsOf.all(newestTurn().id) as { kind: string; status: string }[]
    return steps.map(({ kind, status }) => (kind === 'context' ? kind : `${kind} ${status}`))
  }

  async function question(given?: string) {
    turns += 1
    // A session with a name of its own: no model is asked for one in between.
    const { id } = given ? { id: given } : await keel.client.sessions.createSession({ body: { nickname: 'A turn' } })
    return { content: 'Note milk', session_id: id }
  }

  const scene: TurnScene = {
    get keel() {
      return keel
    },
    upstream,
    script(next) {
      replies = { ...next }
      upstream.requests.length = 0
      requestsBefore = requests
    },
    modelIsAsked: (times) => upstream.received(requestsBefore + times, watchMs),
    writeMark: () => ({
      toolCalls: [
        { name: 'write_file', arguments: JSON.stringify({ path: noteFile, content: `milk ${turns}\n`, append: true }) },
      ],
    }),
    async message(session_id) {
      const answer = await keel.client.agent.sendMessage({ body: await question(session_id) })
      return { turn_id: answer.turn_id, session_id: answer.session_id, content: answer.content }
    },
    async stream(session_id) {
      heard = ''
      const body = await question(session_id)
      for await (const event of keel.client.agent.streamMessage.stream({ body })) {
        if (event.type === 'chunk') heard += event.delta
        if (event.type === 'content_replaced') heard = event.content
        if (event.type !== 'stream_end') continue
        if (event.content !== heard) throw new Error(`"${heard}" was heard and "${event.content}" meant`)
        return { turn_id: event.turn_id, session_id: event.session_id, content: heard }
      }
      throw new Error(`The stream ended without an end after "${heard}"`)
    },
    heard: () => heard,
    asked() {
      const last = upstream.requests.filter(({ body }) => hasToolResults(body)).length
      return { first: upstream.requests.length - last, last }
    },
    shown: () => JSON.stringify(upstream.requests.findLast(({ body }) => hasToolResults(body))?.body.messages),
    newestTurn,
    journal,
    async sees(what, fits) {
      const until = performance.now() + watchMs
      while (!fits(journal(), newestTurn().status)) {
        if (performance.now() > until)
          throw new Error(`${what}: not within ${watchMs} ms; the turn is ${newestTurn().status}: ${journal()}`)
        // At once: a process is to be stopped right after what is seen here.
        await nextTick()
      }
    },
    marks() {
      const path = join(home, 'workspace', noteFile)
      const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : []
      return lines.filter((line) => line === `milk ${turns}`).length
    },
    pid(name) {
      const pid = pids.get(name)
      if (!pid) throw new Error(`${name} has no process`)
      return pid
    },
    async lookAround() {
      pids.clear()
      pids.set('kernel', keel.pid)
      const { services } = await keel.client.services.listServices()
      for (const { name, pid } of services) if (pid) pids.set(name as ServiceName, pid)
    },
    freeze(name) {
      const pid = scene.pid(name)
      process.kill(pid, 'SIGSTOP')
      frozen.add(pid)
    },
    thaw(name) {
      const pid = scene.pid(name)
      frozen.delete(pid)
      signal(pid, 'SIGCONT')
    },
    async kill(name) {
      const pid = scene.pid(name)
      frozen.delete(pid)
      if (name === 'kernel') {
        await keel.stop('SIGKILL')
        return
      }
      signal(pid, 'SIGKILL')
      if (frozen.has(scene.pid('kernel'))) return
      await eventually(`${name} is gone`, async () => {
        const { services } = await keel.client.services.listServices()
        return services.every((service) => service.pid !== pid)
      })
    },
    thawAll() {
      for (const pid of frozen) signal(pid, 'SIGCONT')
      frozen.clear()
    },
    async restart() {
      keel = await startDaemon({ home })
    },
    async dispose() {
      scene.thawAll()
      await keel.dispose()
      db.close()
      await upstream.close()
      rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
    },
  }
  return scene
}

function hasToolResults(body: Record<string, unknown>): boolean {
  return (body.messages as { role: string }[]).some(({ role }) => role === 'tool')
}

/** To a process that may be gone by now: a kernel that misses a frozen child's heartbeat ends it as well. */
function signal(pid: number, name: 'SIGCONT' | 'SIGKILL'): void {
  try {
    process.kill(pid, name)
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ESRCH') throw thrown
  }
}
