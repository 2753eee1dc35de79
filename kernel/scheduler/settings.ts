import type { Config } from '#kernel/config/schema.ts'
import type { SchedulerSettings } from '#sdk/services/scheduler.ts'

const hourMs = 3_600_000

/** The configuration as the scheduler service needs it. */
export function schedulerSettingsOf({ server, scheduler, egress }: Config): SchedulerSettings {
  return {
    concurrency: server.cron_max_concurrency,
    lease_ms: scheduler.lease_seconds * 1000,
    catch_up_window_ms: scheduler.catch_up_window_hours * hourMs,
    allowed_hosts: egress.allowed_hosts,
  }
}

/** In which people's words about time are understood. */
export function zoneOf({ scheduler }: Pick<Config, 'scheduler'>): string {
  return scheduler.timezone || Intl.DateTimeFormat().resolvedOptions().timeZone
}
