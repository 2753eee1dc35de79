import { runningPid } from '../home-lock.ts'
import type { CliSession } from './connection.ts'

export async function showStatus({ client, out, url, home, isRemote }: CliSession): Promise<void> {
  const [health, agent] = await Promise.all([client.health.getHealth(), client.agent.getAgentStatus()])
  const pid = isRemote ? undefined : runningPid(home)
  out.value({ url, pid: pid ?? null, health, agent }, () => {
    const state = health.status === 'ok' ? out.style('green', 'ok') : out.style('yellow', health.status)
    out.line(`${out.style('bold', `Keel ${health.version}`)} at ${url}: ${state}`)
    out.line()
    const rows: [string, string][] = [
      ['Agent', `${agent.name} (${agent.health})`],
      [
        'Model',
        agent.active_model === agent.primary_model
          ? agent.primary_model
          : `${agent.active_model}, for ${agent.primary_model}`,
      ],
      ['Up for', duration(health.uptime_seconds)],
      ['Process', pid === undefined ? '–' : String(pid)],
      ['Sessions', `${agent.sessions_active} active, ${agent.active_turns} turns under way`],
      ['Database', health.checks.database_reason ?? health.checks.database],
      [
        'Services',
        Object.entries(health.checks.services)
          .map(([name, is]) => `${name} ${is}`)
          .join(', ') || '–',
      ],
      ['Providers', health.providers.map(({ name, state: is }) => `${name} ${is}`).join(', ') || 'none configured'],
    ]
    for (const [label, text] of rows) {
      out.raw(`  ${label.padEnd(10)} ${text}`)
      out.line()
    }
  })
}

export function duration(seconds: number): string {
  const units: [number, string][] = [
    [86_400, 'd'],
    [3_600, 'h'],
    [60, 'min'],
    [1, 's'],
  ]
  const first = units.findIndex(([size]) => seconds >= size)
  if (first === -1) return '0 s'
  let rest = Math.floor(seconds)
  return units
    .slice(first, first + 2)
    .map(([size, unit]) => {
      const amount = Math.floor(rest / size)
      rest %= size
      return amount > 0 ? `${amount} ${unit}` : ''
    })
    .filter(Boolean)
    .join(' ')
}

export function took(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : duration(ms / 1_000)
}
