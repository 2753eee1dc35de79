import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import { seededRandom } from '../support/seeded-random.ts'
import type { Bench } from './bench.ts'
import { unlimited } from './bench-daemon.ts'
import { quantile } from './quantile.ts'

const kills = { full: 200, quick: 15 }
/** Callers that write messages at once; beside them one each writes sessions, feedback and configuration. */
const messageCallers = 12
/** How long after the first acknowledged write a kernel is killed at the latest, in milliseconds. */
const maxLifeMs = 400
const firstWriteMs = 10_000

/** What the kernel has acknowledged, over all its lives. */
interface Acknowledged {
  /** Message ids by their content, which is unlike any other. */
  messages: Map<string, string>
  sessions: Set<string>
  /** The newest grade that was acknowledged, and one that was sent after it and not answered. */
  grade: { known: number; maybe: number | undefined }
  name: { known: string | undefined; maybe: string | undefined }
  count: number
}

interface Scene {
  home: string
  sessionIds: string[]
  turnId: string
  acknowledged: Acknowledged
}

/** What one look at the database after a kill has found wrong. */
interface Findings {
  unsound: number
  missing: number
  doubled: number
  reusedNumbers: number
}

/** Writes one after the other until the kernel is gone; what has no answer may or may not be stored. */
async function keepWriting(signal: AbortSignal, write: (n: number) => Promise<void>): Promise<void> {
  for (let n = 0; !signal.aborted; n++) {
    try {
      await write(n)
    } catch (thrown) {
      if (!signal.aborted) throw thrown
    }
  }
}

function startCallers(keel: Daemon, { sessionIds, turnId, acknowledged }: Scene, life: number, signal: AbortSignal) {
  const { client } = keel
  const firstWrite = Promise.withResolvers<void>()
  const done = () => {
    acknowledged.count += 1
    firstWrite.resolve()
  }
  const writers: Promise<void>[] = []
  for (let caller = 0; caller < messageCallers; caller++) {
    const id = sessionIds[caller % sessionIds.length] ?? ''
    writers.push(
      keepWriting(signal, async (n) => {
        const content = `life ${life} caller ${caller} message ${n}`
        const body = { role: n % 2 === 0 ? ('user' as const) : ('assistant' as const), content }
        const { message_id } = await client.sessions.appendMessage({ params: { id }, body })
        acknowledged.messages.set(content, message_id)
        done()
      }),
    )
  }
  writers.push(
    keepWriting(signal, async (n) => {
      const session = await client.sessions.createSession({ body: { scope: `bench:${life}:${n}`, nickname: 'Bench' } })
      acknowledged.sessions.add(session.id)
      done()
    }),
    keepWriting(signal, async (n) => {
      const grade = 1 + ((life + n) % 5)
      acknowledged.grade.maybe = grade
      await client.feedback.updateTurnFeedback({ params: { id: turnId }, body: { grade } })
      acknowledged.grade = { known: grade, maybe: undefined }
      done()
    }),
    keepWriting(signal, async (n) => {
      const name = `Keel ${life}-${n}`
      acknowledged.name.maybe = name
      await client.config.updateConfig({ body: { agent: { name } } })
      acknowledged.name = { known: name, maybe: undefined }
      done()
    }),
  )
  return { firstWrite: firstWrite.promise, ended: Promise.all(writers) }
}

/** Kills the kernel under writes, at a moment that the chance decides. */
async function killUnderWrites(keel: Daemon, scene: Scene, life: number, random: () => number): Promise<void> {
  const over = new AbortController()
  const { firstWrite, ended } = startCallers(keel, scene, life, over.signal)
  // A failure is told below.
  ended.catch(() => {})
  const late = delay(firstWriteMs, 'late' as const, { ref: false })
  if ((await Promise.race([firstWrite, ended, late])) === 'late') throw new Error('nothing was acknowledged')
  await delay(random() * maxLifeMs)
  over.abort()
  await keel.stop('SIGKILL')
  await ended
}

/** The event numbers of the lives so far: stored up to `newest`, and possibly sent up to `reserved`. */
interface Numbers {
  newest: number
  reserved: number
}

/** Looks at the files as the kernel has left them, before the next one opens them. */
function inspect({ home, turnId, acknowledged }: Scene, before: Numbers): Findings & { numbers: Numbers } {
  const db = new Database(join(home, 'keel.db'), { readonly: true })
  try {
    const verdict = db.pragma('integrity_check', { simple: true })
    const rows = db.prepare('SELECT id, content FROM session_messages').all() as { id: string; content: string }[]
    const stored = new Map<string, string[]>()
    for (const { id, content } of rows) stored.set(content, [...(stored.get(content) ?? []), id])
    const sessions = new Set(db.prepare('SELECT id FROM sessions').pluck().all())
    const grade = db.prepare('SELECT grade FROM turn_feedback WHERE turn_id = ?').pluck().get(turnId)
    const lost = [...acknowledged.messages].filter(([content, id]) => !stored.get(content)?.includes(id)).length
    const lostSessions = [...acknowledged.sessions].filter((id) => !sessions.has(id)).length
    const lostGrade = grade === acknowledged.grade.known || grade === acknowledged.grade.maybe ? 0 : 1
    const reserved = Number(db.prepare('SELECT reserved FROM event_sequence').pluck().get())
    const newest = Number(db.prepare('SELECT coalesce(max(seq), 0) FROM events').pluck().get())
    // Numbers that an earlier life may have sent and not stored; at the end of them one event tells of the loss.
    const reused = db.prepare(`SELECT count(*) FROM events WHERE seq > ? AND seq <= ? AND type <> 'gap'`)
    return {
      unsound: verdict === 'ok' ? 0 : 1,
      missing: lost + lostSessions + lostGrade,
      doubled: [...stored.values()].filter((ids) => ids.length > 1).length,
      reusedNumbers:
        Number(reused.pluck().get(before.newest, before.reserved)) + (newest > reserved ? newest - reserved : 0),
      numbers: { newest, reserved },
    }
  } finally {
    db.close()
  }
}

/** Whether the configuration is the acknowledged one, or one that was not answered any more; 1 when it is neither. */
async function missingConfig(keel: Daemon, { acknowledged }: Scene): Promise<number> {
  const { agent } = await keel.client.health.getHealth()
  const { known, maybe } = acknowledged.name
  const isKnown = known === undefined || agent === known || agent === maybe
  acknowledged.name = { known: agent, maybe: undefined }
  return isKnown ? 0 : 1
}

export const kernelKills: Bench = {
  about: 'The kernel killed at random moments while several callers write, and started again on the same home.',
  async run({ quick, seed, say }) {
    const count = quick ? kills.quick : kills.full
    const random = seededRandom(seed)
    const home = mkdtempSync(join(tmpdir(), 'keel-home-'))
    const restarts: number[] = []
    const found = { unsound: 0, missing: 0, doubled: 0, reusedNumbers: 0 }
    let keel: Daemon | undefined
    try {
      keel = await startDaemon({ home, config: unlimited })
      const scene = await prepare(keel, home)
      let numbers: Numbers = { newest: 0, reserved: 0 }
      for (let life = 1; life <= count; life++) {
        await killUnderWrites(keel, scene, life, random)
        const { numbers: after, ...findings } = inspect(scene, numbers)
        numbers = after
        for (const key of Object.keys(findings) as (keyof Findings)[]) found[key] += findings[key]
        const startedAt = performance.now()
        keel = await startDaemon({ home })
        restarts.push(performance.now() - startedAt)
        found.missing += await missingConfig(keel, scene)
        if (life % 20 === 0) say(`${life} kills, ${scene.acknowledged.count} acknowledged writes`)
      }
      const none = { goal: { atMost: 0 }, gross: { atMost: 0 } }
      return [
        { what: 'kills', value: count, unit: 'count' },
        { what: 'acknowledged writes', value: scene.acknowledged.count, unit: 'count' },
        { what: 'acknowledged and missing', value: found.missing, unit: 'count', ...none },
        { what: 'stored twice', value: found.doubled, unit: 'count', ...none },
        { what: 'integrity_check failed', value: found.unsound, unit: 'count', ...none },
        { what: 'event numbers used again', value: found.reusedNumbers, unit: 'count', ...none },
        { what: 'start after a kill, p50', value: quantile(restarts, 0.5), unit: 'ms' },
        { what: 'start after a kill, slowest', value: Math.max(...restarts), unit: 'ms' },
      ]
    } finally {
      await keel?.dispose()
      rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
    }
  },
}

async function prepare({ client }: Daemon, home: string): Promise<Scene> {
  const sessionIds: string[] = []
  for (let n = 0; n < 2; n++) {
    const { id } = await client.sessions.createSession({ body: { scope: `bench:${n}`, nickname: 'Bench' } })
    sessionIds.push(id)
  }
  const params = { id: sessionIds[0] ?? '' }
  await client.sessions.appendMessage({ params, body: { role: 'assistant', content: 'graded' } })
  const { turns } = await client.turns.listSessionTurns({ params, query: {} })
  const turnId = turns[0]?.id ?? ''
  await client.feedback.createTurnFeedback({ params: { id: turnId }, body: { grade: 3 } })
  const acknowledged: Acknowledged = {
    messages: new Map(),
    sessions: new Set(sessionIds),
    grade: { known: 3, maybe: undefined },
    name: { known: undefined, maybe: undefined },
    count: 0,
  }
  return { home, sessionIds, turnId, acknowledged }
}
