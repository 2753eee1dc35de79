import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { request } from 'undici'
import { freePort } from '../support/free-port.ts'
import type { Bench } from './bench.ts'
import { quantile } from './quantile.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const lostMs = 20_000
const key = 'a-key-for-the-bench-0123456789abcdef'

export const startUp: Bench = {
  about: 'from the spawn of the daemon, in a fresh home, to the first answer of /api/health and to all services ready',
  async run({ quick }) {
    const starts = quick ? 3 : 10
    const healthy: number[] = []
    const ready: number[] = []
    // The first start after an install compiles; the bench is of every later one.
    await oneStart()
    for (let n = 0; n < starts; n++) {
      const times = await oneStart()
      healthy.push(times.healthyMs)
      ready.push(times.readyMs)
    }
    return [
      { what: '/api/health answers', value: quantile(healthy, 0.5), unit: 'ms p50', goal: { atMost: 400 } },
      { what: '/api/health answers', value: Math.max(...healthy), unit: 'ms max' },
      { what: 'all services ready', value: quantile(ready, 0.5), unit: 'ms p50', goal: { atMost: 1_200 } },
      { what: 'all services ready', value: Math.max(...ready), unit: 'ms max' },
    ]
  },
}

async function oneStart(): Promise<{ healthyMs: number; readyMs: number }> {
  const home = mkdtempSync(join(tmpdir(), 'keel-home-'))
  const port = await freePort()
  const startedAt = performance.now()
  const child = spawn(process.execPath, ['kernel/cli/keel.mjs', 'start'], {
    cwd: root,
    stdio: 'ignore',
    env: { ...process.env, KEEL_HOME: home, KEEL_PORT: String(port), KEEL_HOST: '127.0.0.1', KEEL_API_KEY: key },
  })
  const ended = once(child, 'exit')
  const url = `http://127.0.0.1:${port}`
  try {
    await until(async () => (await ask(`${url}/api/health`)).status === 200)
    const healthyMs = performance.now() - startedAt
    await until(async () => {
      const { text } = await ask(`${url}/api/services`)
      const { services } = JSON.parse(text) as { services: { state: string; lazy: boolean }[] }
      return services.every(({ state, lazy }) => lazy || state === 'ready')
    })
    return { healthyMs, readyMs: performance.now() - startedAt }
  } finally {
    child.kill('SIGTERM')
    await ended
    rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }
}

async function ask(url: string): Promise<{ status: number; text: string }> {
  const { statusCode, body } = await request(url, { headers: { 'x-api-key': key } })
  return { status: statusCode, text: await body.text() }
}

async function until(check: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + lostMs
  for (;;) {
    // Until it listens, a connection is refused.
    if (await check().catch(() => false)) return
    if (performance.now() > deadline) throw new Error('Keel did not start')
    await delay(2)
  }
}
