import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { ChannelStatus } from '#sdk/contracts/channels.ts'
import { isErrorOf } from '#sdk/errors.ts'
import { openConfig } from '../config/live-config.ts'
import { offlineProvider } from '../config/sections/providers.ts'
import { runningPid } from '../home-lock.ts'
import type { CliSession } from './connection.ts'
import type { Finding } from './doctor.ts'
import { failureText, isUnreachable } from './failure.ts'
import { duration } from './status.ts'

/** How long a provider may take to list its models, in milliseconds. */
const providersMs = 30_000

export async function checkServer({ client, url, home, isRemote }: CliSession): Promise<Finding[]> {
  const pid = isRemote ? undefined : runningPid(home)
  try {
    const health = await client.health.getHealth()
    // The health route is public; this one is not.
    await client.agent.getAgentStatus()
    const place = pid === undefined ? '' : ` (process ${pid}, up for ${duration(health.uptime_seconds)})`
    const message = `Keel ${health.version} answers at ${url}${place}: ${health.status}`
    const down = Object.entries(health.checks.services).filter(([, state]) => state === 'down')
    const reason = health.checks.database_reason
    return [
      { check: 'server', status: health.status === 'ok' ? 'ok' : 'warning', message },
      ...(reason === undefined
        ? []
        : [{ check: 'storage', status: 'broken' as const, message: reason, fix: 'keel logs --level error' }]),
      ...down.map(
        ([name]): Finding => ({
          check: 'service',
          status: 'broken',
          message: `${name} is down`,
          fix: `keel logs --target ${name}, then: keel service restart ${name}`,
        }),
      ),
    ]
  } catch (thrown) {
    if (isErrorOf(thrown, 'unauthorized')) {
      const fix = 'set KEEL_API_KEY to the key that the server was started with'
      return [{ check: 'key', status: 'broken', message: `${url} refuses this key`, fix }]
    }
    if (!isUnreachable(thrown)) throw thrown
    if (pid === undefined)
      return [{ check: 'server', status: 'warning', message: 'Keel does not run', fix: 'keel start --detach' }]
    const message = `Keel runs (process ${pid}) but does not answer at ${url}`
    return [
      { check: 'server', status: 'broken', message, fix: 'keel logs --level warn, then: keel stop and keel start' },
    ]
  }
}

export async function checkPort({ home, io, isRemote }: CliSession): Promise<Finding[]> {
  if (isRemote || runningPid(home) !== undefined) return []
  const { bind, port } = openConfig(home, io.env).current().server
  if (port === 0) return []
  const failure = await listenOnce(bind, port)
  if (failure === undefined) return [{ check: 'port', status: 'ok', message: `${bind}:${port} is free` }]
  const fix = 'stop what listens there, or choose another: keel config set server.port 18790'
  return [{ check: 'port', status: 'broken', message: `${bind}:${port} can not be used: ${failure}`, fix }]
}

function listenOnce(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code === 'EADDRINUSE' ? 'it is taken' : error.message),
    )
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)))
  })
}

export async function checkProviders({ client, io }: CliSession): Promise<Finding[]> {
  try {
    const signal = AbortSignal.any([io.signal, AbortSignal.timeout(providersMs)])
    const { providers } = await client.models.listAvailableModels({
      query: { refresh: true, validation_level: 'list' },
      signal,
    })
    const configured = Object.entries(providers).filter(([name]) => name !== offlineProvider)
    return configured.map(([name, listing]): Finding => {
      if (listing.status === 'ok')
        return {
          check: 'provider',
          status: 'ok',
          message: `${name} has ${listing.count} ${listing.count === 1 ? 'model' : 'models'}`,
        }
      const message = `${name}: ${listing.error ?? listing.reason ?? listing.status}`
      if (listing.status === 'skipped')
        return { check: 'provider', status: 'warning', message, fix: listing.hint ?? `keel provider key ${name}` }
      return {
        check: 'provider',
        status: 'broken',
        message,
        fix: listing.hint ?? `keel provider key ${name}, or check providers.${name}.url`,
      }
    })
  } catch (thrown) {
    // A server that does not run or refuses the key is another check's finding.
    if (isUnreachable(thrown) || isErrorOf(thrown, 'unauthorized')) return []
    return [
      { check: 'provider', status: 'broken', message: failureText(thrown), fix: 'keel service restart inference' },
    ]
  }
}

/** Says of each channel that somebody has set up whether it is connected, and of messages that could not be sent. */
export async function checkChannels({ client }: CliSession): Promise<Finding[]> {
  try {
    const channels = await client.channels.listChannels()
    return channels.filter(({ mode }) => mode !== 'local').flatMap(channelFindings)
  } catch (thrown) {
    // A server that does not run or refuses the key is another check's finding.
    if (isUnreachable(thrown) || isErrorOf(thrown, 'unauthorized')) return []
    throw thrown
  }
}

function channelFindings({ name, configured, connected, last_error, dead_letters }: ChannelStatus): Finding[] {
  const findings: Finding[] = []
  if (connected) findings.push({ check: 'channel', status: 'ok', message: `${name} is connected` })
  else if (configured) {
    const message = `${name} is not connected${last_error === null ? '' : `: ${last_error}`}`
    findings.push({ check: 'channel', status: 'broken', message, fix: `keel channels test ${name}` })
  } else if (last_error !== null) {
    findings.push({ check: 'channel', status: 'broken', message: last_error, fix: 'see docs/channels.md' })
  }
  if (dead_letters > 0) {
    const message = `${name}: ${dead_letters} ${dead_letters === 1 ? 'message' : 'messages'} could not be sent`
    findings.push({ check: 'channel', status: 'warning', message, fix: 'keel channels dead-letters' })
  }
  return findings
}

/** Services whose kernel is gone end by themselves; one that has not is stuck. Known on Linux alone. */
export function checkLeftovers({ home, isRemote }: CliSession): Finding[] {
  if (isRemote || !existsSync('/proc/self/stat')) return []
  const services = fileURLToPath(new URL('../../services/', import.meta.url))
  const kernel = runningPid(home)
  const findings: Finding[] = []
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const found = readProcess(pid)
    if (found?.parent !== 1 || kernel === 1) continue
    const entry = found.arguments.find((argument) => argument.startsWith(services) && argument.endsWith('/main.ts'))
    if (!entry) continue
    const name = entry.slice(services.length, -'/main.ts'.length)
    findings.push({
      check: 'process',
      status: 'broken',
      message: `a ${name} service (process ${pid}) has outlived its kernel`,
      fix: `kill -9 ${pid}`,
    })
  }
  return findings
}

function readProcess(pid: string): { parent: number; arguments: string[] } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name before it stands in parentheses and may hold anything.
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
    return { parent, arguments: readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0') }
  } catch {
    // It has ended while the list was read.
    return undefined
  }
}
