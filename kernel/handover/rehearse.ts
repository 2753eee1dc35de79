import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { RuntimeError } from '#sdk/errors.ts'
import { createClient } from '#sdk/http-client.ts'
import { openConfig } from '../config/live-config.ts'
import { type Home, homePaths, openHome, readSecretKey } from '../home.ts'
import { startKernel } from '../main.ts'
import { currentApiKey } from '../secrets/api-key.ts'
import { openReadable } from '../store/database.ts'
import { requireKnownSchema } from '../store/migrate.ts'

/** How long the services of the rehearsal may take to get to work, in milliseconds. */
const servicesMs = 20_000
const lookEveryMs = 20

/**
 * What would fail a start fails here, while another kernel serves: reads what the start reads, writing nothing to the
 * database, and then starts once for nobody. That also warms the code, so that the real start is quick.
 */
export async function rehearse(homePath: string, env: NodeJS.ProcessEnv): Promise<void> {
  const home = openHome(homePath, env)
  readHome(home, env)
  await startForNobody(join(home.run, 'rehearsal'), env)
}

function readHome(home: Home, env: NodeJS.ProcessEnv): void {
  const config = openConfig(home, env).current()
  readSecretKey(home)
  currentApiKey(home, config)
  const db = openReadable(config.database.path)
  try {
    requireKnownSchema(db)
  } finally {
    db.close()
  }
}

/** In an empty home that is then deleted. Settings from the environment would lead to the real one. */
async function startForNobody(root: string, env: NodeJS.ProcessEnv): Promise<void> {
  // A process that was killed may have left one.
  rmSync(root, { recursive: true, force: true })
  try {
    const neutral = Object.entries(env).filter(([name]) => !name.startsWith('KEEL_'))
    const kernel = await startKernel({
      home: root,
      env: { ...Object.fromEntries(neutral), KEEL_PORT: '0', KEEL_LOG_STDERR: 'off' },
    })
    try {
      await servicesReady(kernel.url, readFileSync(homePaths(root).apiKey, 'utf8').trim())
    } finally {
      await kernel.close('the rehearsal is over')
    }
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

async function servicesReady(url: string, apiKey: string): Promise<void> {
  const { services } = createClient({ url, apiKey })
  const deadline = performance.now() + servicesMs
  for (;;) {
    const missing = (await services.listServices()).services.filter(({ lazy, state }) => !lazy && state !== 'ready')
    const failed = missing.find(({ last_error }) => last_error !== null)
    if (failed) throw new RuntimeError('unavailable', `the ${failed.name} service: ${failed.last_error}`)
    if (missing.length === 0) return
    if (performance.now() > deadline)
      throw new RuntimeError('timeout', `the ${missing[0]?.name} service was not ready in ${servicesMs / 1000} seconds`)
    await delay(lookEveryMs)
  }
}
