import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../support/daemon.ts'
import type { Bench } from './bench.ts'
import { keelModel, question, startBenchDaemon } from './bench-daemon.ts'
import { load } from './load.ts'
import { idleLatenessMs } from './machine.ts'
import type { LoopDelay } from './servers/event-loop-probe.ts'
import { startServer } from './servers/server-process.ts'

const probe = new URL('servers/event-loop-probe.ts', import.meta.url).href

export const eventLoop: Bench = {
  about: "how late the kernel's event loop comes to its timers while chats, turns and lists keep it busy",
  async run({ quick, say }) {
    const dir = mkdtempSync(join(tmpdir(), 'keel-probe-'))
    const path = join(dir, 'seen.json')
    const upstream = await startServer('upstream')
    const keel = await startBenchDaemon(upstream.url, { NODE_OPTIONS: `--import=${probe}`, EVENT_LOOP_PROBE: path })
    const seconds = quick ? 3 : 15
    const headers = { 'x-api-key': keel.apiKey }
    const chat = { url: `${keel.url}/v1/chat/completions`, headers, body: { model: keelModel, messages: question } }
    const streaming = { ...chat, body: { ...chat.body, stream: true } }
    // One question at a time in a session: the same one asked twice at once is refused.
    const sessions = await Promise.all(
      Array.from({ length: 4 }, (_, n) => keel.client.sessions.createSession({ body: { nickname: `Caller ${n}` } })),
    )
    const turns = sessions.map(({ id }) => ({
      url: `${keel.url}/api/agent/message`,
      headers,
      body: { content: 'What is the capital of France?', session_id: id },
    }))
    const lists = ['/api/sessions', '/api/stats/costs', '/api/logs', '/api/events'].map((path) => ({
      url: keel.url + path,
      headers,
    }))
    try {
      await Promise.all([load(chat, 8, seconds), ...turns.map((turn) => load(turn, 1, seconds))])
      say('an idle process, for comparison')
      const idle = await idleLatenessMs()
      say('the kernel, busy')
      process.kill(keel.pid, 'SIGUSR2')
      const runs = await Promise.all([
        load(chat, 16, seconds),
        load(streaming, 8, seconds),
        ...[...turns, ...lists].map((target) => load(target, 1, seconds)),
      ])
      process.kill(keel.pid, 'SIGUSR2')
      await eventually('the probe has written', () => exists(path))
      const seen = JSON.parse(readFileSync(path, 'utf8')) as LoopDelay
      const failed = runs.reduce((sum, run) => sum + run.failed, 0)
      return [
        { what: "the kernel's event loop is late by", value: seen.p50, unit: 'ms p50' },
        { what: "the kernel's event loop is late by", value: seen.p99, unit: 'ms p99', goal: { atMost: 20 } },
        { what: "the kernel's event loop is late by", value: seen.max, unit: 'ms max', goal: { atMost: 100 } },
        { what: "an idle process's, before", value: idle, unit: 'ms p99' },
        { what: 'failed', value: failed, unit: 'count', goal: { atMost: 0 }, gross: { atMost: 0 } },
      ]
    } finally {
      await keel.dispose()
      upstream.close()
      rmSync(dir, { recursive: true, force: true })
    }
  },
}

function exists(path: string): boolean {
  try {
    return readFileSync(path, 'utf8') !== ''
  } catch {
    return false
  }
}
