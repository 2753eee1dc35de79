import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { RuntimeError } from '#sdk/errors.ts'
import { runningPid } from '../home-lock.ts'
import type { CliIo } from './cli-io.ts'
import { createOutput } from './output.ts'
import { prepareHome, type StartOptions, showStart } from './start.ts'

/** How long a start may take, in milliseconds. */
const startMs = 60_000
/** Characters of what a failed start printed that are shown. */
const maxShown = 4_000

const announcement = z.object({ url: z.string(), dashboard_url: z.string(), pid: z.int(), home: z.string() })

/** Starts Keel in a process of its own and returns once it is up; a failure is told with its exit code. */
export async function startDetached(io: CliIo, options: StartOptions): Promise<number> {
  const home = prepareHome(io, options)
  const running = runningPid(home)
  if (running !== undefined)
    throw new RuntimeError('conflict', `Keel already runs in ${home.root} (process ${running})`)
  const printed = join(home.run, 'start.log')
  const file = openSync(printed, 'w', 0o600)
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL('keel.mjs', import.meta.url)), 'start', '--announce', '--home', home.root],
    {
      detached: true,
      stdio: ['ignore', file, file, 'ipc'],
      env: { ...io.env, KEEL_LOG_STDERR: 'off' },
    },
  )
  closeSync(file)

  const outcome = await new Promise<{ up: unknown } | { code: number } | { error: Error }>((resolve) => {
    const deadline = setTimeout(() => {
      child.kill('SIGTERM')
      resolve({ error: new Error(`it was not up after ${startMs / 1000} seconds`) })
    }, startMs)
    deadline.unref()
    child.once('message', (up) => resolve({ up }))
    child.once('exit', (code) => resolve({ code: code ?? 1 }))
    child.once('error', (error) => resolve({ error }))
  })
  if (child.connected) child.disconnect()
  child.unref()
  if ('up' in outcome) {
    showStart(
      announcement.parse(outcome.up),
      createOutput(io, options),
      'It runs in the background. Stop it with: keel stop',
    )
    return 0
  }
  if ('error' in outcome) throw new RuntimeError('internal', `Keel could not be started: ${outcome.error.message}`)
  io.stderr.write(readFileSync(printed, 'utf8').slice(-maxShown))
  return outcome.code || 1
}
