import type { Config } from '#kernel/config/schema.ts'

/** The configuration as the rate limits need it. */
export function rateLimitSettings({ server }: Config) {
  return {
    windowSeconds: server.rate_limit_window_secs,
    global: server.rate_limit_requests,
    perIp: server.per_ip_rate_limit_requests,
    perActor: server.per_actor_rate_limit_requests,
    operatorSkipsGlobal: true,
  }
}
