import { type Daemon, startDaemon, upstreamConfig } from '../support/daemon.ts'

/** keel.toml without the limits that a load would run into, and without the cache that would answer in the model's place. */
export const unlimited = `[cache]
enabled = false

[server]
per_ip_rate_limit_requests = 1000000000
per_actor_rate_limit_requests = 1000000000
`

export const question = [{ role: 'user', content: 'What is the capital of France?' }]

/** Keel as it is, but unlimited. */
export function startBenchDaemon(upstreamUrl: string, env: Record<string, string> = {}): Promise<Daemon> {
  return startDaemon({ config: upstreamConfig(upstreamUrl, unlimited), env })
}

export const keelModel = 'mock/test-model'
