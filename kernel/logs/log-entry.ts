import { type LogEntry, type LogLevel, logLevel } from '#sdk/contracts/logs.ts'

/** Which entries are wanted; what is absent does not filter. */
export interface LogFilter {
  /** The least level. */
  level?: LogLevel | undefined
  target?: string | undefined
  /** A part of the message, in any case. */
  q?: string | undefined
  trace_id?: string | undefined
  /** ISO-8601; entries of that time and later. */
  since?: string | undefined
}

const levels = logLevel.options

function levelOf(given: unknown): LogLevel | undefined {
  if (typeof given === 'number') return levels[Math.min(levels.length, Math.max(1, Math.floor(given / 10))) - 1]
  if (given === 'fatal') return 'error'
  return logLevel.safeParse(given).data
}

/** One line of a log as the API shows it; undefined for what is no log record. */
export function parseLogLine(line: string): LogEntry | undefined {
  const record = parseRecord(line)
  const level = levelOf(record?.level)
  const at = record && new Date(record.time as string | number)
  if (!record || !level || !at || Number.isNaN(at.getTime())) return undefined
  const message = typeof record.msg === 'string' ? record.msg : ''
  return {
    timestamp: at.toISOString(),
    level,
    message: message + causeOf(record.err),
    ...(typeof record.target === 'string' && { target: record.target }),
    ...idOf('trace_id', record),
    ...idOf('span_id', record),
  }
}

/** A service may write what it likes; what is no id is none. */
function idOf(key: 'trace_id' | 'span_id', record: Record<string, unknown>): Partial<LogEntry> {
  const id = record[key]
  return typeof id === 'string' && /^[0-9a-f]{16,32}$/.test(id) ? { [key]: id } : {}
}

/** What made the line, where the message does not already say it. */
function causeOf(err: unknown): string {
  if (typeof err !== 'object' || err === null || !('message' in err) || typeof err.message !== 'string') return ''
  return `: ${err.message}`
}

export function matches(entry: LogEntry, { level, target, q, since, trace_id }: LogFilter): boolean {
  if (level !== undefined && levels.indexOf(entry.level) < levels.indexOf(level)) return false
  if (target !== undefined && entry.target !== target) return false
  if (since !== undefined && entry.timestamp < since) return false
  if (trace_id !== undefined && entry.trace_id !== trace_id) return false
  return q === undefined || entry.message.toLowerCase().includes(q.toLowerCase())
}

export function parseRecord(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith('{')) return undefined
  try {
    const record: unknown = JSON.parse(line)
    return typeof record === 'object' && record !== null ? (record as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
