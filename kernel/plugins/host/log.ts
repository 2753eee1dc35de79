import type { Logger } from 'pino'
import type { HostFunction } from './host-function.ts'

/** Lines of one call; what comes after is counted and let go. */
const maxLines = 100
const maxChars = 1_000

const levels = ['debug', 'info', 'warn', 'error'] as const

/** Lines in Keel's log under the plugin's name. */
export function logFunctions(log: Logger): Record<string, HostFunction> {
  return Object.fromEntries(
    levels.map((level): [string, HostFunction] => [
      `log.${level}`,
      ([message, details], { plugin, used }) => {
        const lines = levels.reduce((sum, name) => sum + (used.get(`log.${name}`)?.count ?? 0), 0)
        if (lines > maxLines) return null
        const more = details === undefined ? {} : { details: JSON.stringify(details).slice(0, maxChars) }
        log[level]({ target: `plugin:${plugin}`, ...more }, String(message).slice(0, maxChars))
        return null
      },
    ]),
  )
}
