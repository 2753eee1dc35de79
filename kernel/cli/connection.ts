import { existsSync, readFileSync } from 'node:fs'
import { isIPv6 } from 'node:net'
import { RuntimeError } from '#sdk/errors.ts'
import { createClient, type HttpClient } from '#sdk/http-client.ts'
import { openConfig } from '../config/live-config.ts'
import { type Config, defaultConfig } from '../config/schema.ts'
import { type Home, homePaths } from '../home.ts'
import { runningPid } from '../home-lock.ts'
import { currentApiKey } from '../secrets/api-key.ts'
import type { CliIo, GlobalOptions } from './cli-io.ts'
import { isUnreachable } from './failure.ts'
import { createOutput, type Output } from './output.ts'

/** How long one answer may take, in milliseconds, where a command does not say otherwise. */
const answerMs = 30_000

/** What every command works with. */
export interface CliSession {
  io: CliIo
  options: GlobalOptions
  out: Output
  home: Home
  url: string
  client: HttpClient
  /** The server was named by the user, so this machine's home says nothing about it. */
  isRemote: boolean
}

export function openSession(io: CliIo, options: GlobalOptions): CliSession {
  const home = homePaths(options.home, io.env)
  const named = options.url ?? io.env.KEEL_URL
  const url = named || localUrl(home, io.env)
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new RuntimeError(
      'invalid',
      `--url: expected a URL that begins with http:// or https://, got ${JSON.stringify(url)}`,
    )
  }
  const isRemote = Boolean(named)
  const client = createClient({
    url,
    apiKey: options.apiKey || io.env.KEEL_API_KEY || homeKey(home, io.env, url, isRemote),
    fetch: async (input, init) => {
      const signal = AbortSignal.any([io.signal, init?.signal ?? AbortSignal.timeout(answerMs)])
      return fetch(input, { ...init, signal, ...(init?.signal && { dispatcher: await patientDispatcher() }) })
    },
  })
  return { io, options, out: createOutput(io, options), home, url, client, isRemote }
}

/** Waits for as long as the caller does; left to itself, `fetch` gives an answer up that takes five minutes to begin. */
async function patientDispatcher() {
  const { Agent } = await import('undici')
  return new Agent({ headersTimeout: 0 })
}

/** Asks the server; where none runs on this machine, does it without one. */
export async function withServer<T>(
  session: CliSession,
  ask: () => Promise<T>,
  without: () => T | Promise<T>,
): Promise<T> {
  try {
    return await ask()
  } catch (thrown) {
    if (session.isRemote || !isUnreachable(thrown)) throw thrown
    return without()
  }
}

function localUrl(home: Home, env: NodeJS.ProcessEnv): string {
  if (existsSync(home.urlFile) && runningPid(home) !== undefined) return readFileSync(home.urlFile, 'utf8').trim()
  const { bind, port } = (configOf(home, env) ?? defaultConfig).server
  return urlOf(bind, port)
}

/** Where a server that listens at `bind` is reached from this machine. */
export function urlOf(bind: string, port: number): string {
  const host = bind === '0.0.0.0' ? '127.0.0.1' : bind === '::' ? '::1' : bind
  return `http://${isIPv6(host) ? `[${host}]` : host}:${port}`
}

/** This home's key is for servers on this machine; sent anywhere else it would be given away. */
function homeKey(home: Home, env: NodeJS.ProcessEnv, url: string, isRemote: boolean): string {
  const { hostname } = new URL(url)
  if (isRemote && !/^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)) {
    throw new RuntimeError('invalid', `A key for ${hostname} is needed: give --api-key or set KEEL_API_KEY`)
  }
  if (!existsSync(home.apiKey)) return 'none'
  return currentApiKey(home, configOf(home, env) ?? defaultConfig)
}

/** A broken configuration must not keep `keel logs` or `keel stop` from working; `keel config check` tells of it. */
function configOf(home: Home, env: NodeJS.ProcessEnv): Config | undefined {
  try {
    return openConfig(home, env).current()
  } catch (thrown) {
    if (thrown instanceof RuntimeError) return undefined
    throw thrown
  }
}
