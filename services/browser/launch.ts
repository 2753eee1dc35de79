import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import type { Browser } from 'playwright'
import { RuntimeError, reasonOf } from '#sdk/errors.ts'
import { timestamp } from '#sdk/ids.ts'
import { isRunning } from '#sdk/is-running.ts'
import { chromiumFlags } from './chromium-flags.ts'
import { PipeTransport } from './pipe-transport.ts'

/** From its spawn until it answers. */
const startMs = 30_000
/** From the word to close until the signal that can not be ignored. */
const closeMs = 2_000
/** Of what it says on stderr, kept for the case that it does not start. */
const keptWords = 2_000
const folderPrefix = 'keel-browser-'
/** What Chromium may know of the environment. */
const passedOn = ['PATH', 'LANG', 'LC_ALL', 'TZ', 'DISPLAY', 'WAYLAND_DISPLAY', 'XAUTHORITY', 'SystemRoot']

export interface LaunchOptions {
  executable: string
  headless: boolean
  proxy: string
  cdpPort: number
}

export interface RunningBrowser {
  browser: Browser
  pid: number
  executable: string
  version: string
  startedAt: string
  /** A folder of its own, gone when it ends. */
  folder: string
  /** Settles once the process is gone, whoever ended it. */
  ended: Promise<void>
  close(): Promise<void>
}

/** Starts Chromium in a process group of its own. It ends by itself when this process is gone, as its pipe closes then. */
export async function launchBrowser(options: LaunchOptions): Promise<RunningBrowser> {
  // Loaded by the first start: it is large, and a service that nobody asks needs none of it.
  const { chromium } = await import('playwright')
  await sweepFolders()
  const folder = await mkdtemp(join(tmpdir(), `${folderPrefix}${process.pid}-`))
  const child = spawn(options.executable, chromiumFlags({ ...options, userDataDir: join(folder, 'profile') }), {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
    env: environment(folder),
    detached: process.platform !== 'win32',
  })
  const { words, ended } = watch(child, folder)
  const [, , , input, output] = child.stdio as unknown as [null, null, Readable, Writable, Readable]
  try {
    if (child.pid === undefined) throw new Error((await once(child, 'error'))[0]?.message)
    const browser = await Promise.race([
      chromium.connectOverCDP(new PipeTransport(input, output), { timeout: startMs, artifactsDir: folder }),
      ended.then(() => Promise.reject(new Error('it ended at once'))),
    ])
    return {
      browser,
      pid: child.pid,
      executable: options.executable,
      version: browser.version(),
      startedAt: timestamp(),
      folder,
      ended,
      close: () => close(browser, child, ended),
    }
  } catch (cause) {
    end(child)
    await ended
    const said = words().trim().split('\n').at(-1) || reasonOf(cause)
    throw new RuntimeError('unavailable', `The browser did not start: ${said}`, undefined, { cause })
  }
}

function environment(folder: string): NodeJS.ProcessEnv {
  const kept = passedOn.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]] as const]))
  // Whatever it writes outside of its profile is then in its folder too.
  return { ...Object.fromEntries(kept), HOME: folder, TMPDIR: folder, TMP: folder, TEMP: folder }
}

function watch(child: ChildProcess, folder: string): { words: () => string; ended: Promise<void> } {
  let words = ''
  child.stderr?.on('data', (bytes: Buffer) => {
    words = (words + bytes.toString()).slice(-keptWords)
  })
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => {
      if (child.pid === undefined) resolve()
    })
  })
  const ended = gone.then(async () => {
    // Its helpers end with it; one that does not, or a folder that one of them still holds, is seen to here.
    end(child)
    await rm(folder, { recursive: true, force: true, maxRetries: 5 }).catch(() => {})
  })
  return { words: () => words, ended }
}

async function close(browser: Browser, child: ChildProcess, ended: Promise<void>): Promise<void> {
  const late = setTimeout(() => end(child), closeMs)
  browser
    .newBrowserCDPSession()
    .then((session) => session.send('Browser.close'))
    .catch(() => end(child))
  await ended
  clearTimeout(late)
}

/** Ends the whole group. */
function end({ pid }: ChildProcess): void {
  if (pid === undefined) return
  try {
    process.kill(process.platform === 'win32' ? pid : -pid, 'SIGKILL')
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ESRCH') throw thrown
  }
}

/** Folders of services that were killed, and could not clear them away. */
async function sweepFolders(): Promise<void> {
  const names = await readdir(tmpdir())
  const left = names.filter((name) => name.startsWith(folderPrefix) && !isRunning(ownerOf(name)))
  await Promise.all(left.map((name) => rm(join(tmpdir(), name), { recursive: true, force: true })))
}

function ownerOf(folder: string): number {
  return Number(folder.slice(folderPrefix.length).split('-')[0])
}
