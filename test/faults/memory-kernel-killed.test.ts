import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { helpfulModel } from '../support/callers.ts'
import { type Daemon, eventually, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

const kills = 4
const turnsEach = 12

let home: string
let upstream: Upstream
let keel: Daemon

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'keel-home-'))
  upstream = await startUpstream(helpfulModel)
  const config = upstreamConfig(upstream.url, '[cache]\nenabled = false\n\n[memory]\nextract_by_model = false\n')
  keel = await startDaemon({ home, config })
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  await upstream.close()
  rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
})

test('the kernel killed while turns end and are remembered: each that ended is remembered exactly once', async () => {
  const random = seededRandom(11)
  const { id: session_id } = await keel.client.sessions.createSession({ body: { nickname: 'Many turns' } })
  for (let kill = 0; kill < kills; kill++) {
    const { promise: killed, resolve } = Promise.withResolvers<void>()
    const doomed = keel
    const afterTurns = 2 + Math.floor(random() * (turnsEach - 4))
    for (let n = 0; n < turnsEach; n++) {
      if (n === afterTurns)
        void delay(random() * 150).then(async () => {
          await doomed.stop('SIGKILL')
          resolve()
        })
      const body = { content: `use a tool for errand ${kill}.${n}`, session_id }
      // Cut off or refused by the kill: what was accepted goes on in the next kernel.
      const answered = await doomed.client.agent.sendMessage({ body }).catch(() => undefined)
      if (!answered) break
    }
    await killed
    keel = await startDaemon({ home })
  }
  const db = new Database(join(home, 'keel.db'), { readonly: true })
  const all = <T>(text: string) => db.prepare(text).all() as T[]
  const [one] = await (async () => {
    await eventually(
      'every turn is over and remembered',
      () =>
        all<{ n: number }>(
          `SELECT (SELECT count(*) FROM turns WHERE status = 'running') + (SELECT count(*) FROM memory_ingest) AS n`,
        )[0]?.n === 0,
      30_000,
    )
    return all<{ turns: number; calls: number }>(
      `SELECT (SELECT count(*) FROM turns WHERE status = 'ok') AS turns,
              (SELECT count(*) FROM tool_calls WHERE status = 'success') AS calls`,
    )
  })()
  expect(one?.turns).toBeGreaterThan(kills * 2)
  // Counted up with each turn that used it: once too often, or too seldom, would show.
  const { entries } = await keel.client.memory.listProcedural()
  expect(entries.find(({ name }) => name === 'list_directory')).toMatchObject({
    success_count: one?.calls,
    failure_count: 0,
  })
  const doubled = all(`SELECT turn_id, tier, category, content, count(*) AS n FROM memories
    WHERE state = 'active' AND turn_id IS NOT NULL GROUP BY turn_id, tier, category, content HAVING n > 1`)
  expect(doubled).toEqual([])
  expect(keel.output()).not.toContain('given up')
  db.close()
}, 120_000)
