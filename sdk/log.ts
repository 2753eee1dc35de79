import { type Logger, pino } from 'pino'
import { redactText } from './redact.ts'
import { logIds } from './telemetry/log-ids.ts'

/** A service's log: JSON lines on stdout, which the kernel reads, names and keeps. */
export function serviceLog(name: string): Logger {
  return pino(
    {
      base: { target: name },
      level: process.env.KEEL_LOG_LEVEL ?? 'info',
      mixin: logIds,
      hooks: { streamWrite: redactText },
    },
    pino.destination({ fd: 1, sync: true }),
  )
}
