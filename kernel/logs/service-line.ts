import type { Level, Logger } from 'pino'
import { parseRecord } from './log-entry.ts'

/** Characters of one line of a child's output; the rest is cut. */
const maxLineLength = 16_384

const levels: readonly Level[] = ['trace', 'debug', 'info', 'warn', 'error', 'fatal']

/** Fields that the kernel's own log sets. */
const ownFields = new Set(['level', 'time', 'pid', 'hostname', 'target', 'msg'])

/** Writes a line that a service printed into the kernel's log, under the service's name whatever the line says. */
export function logServiceLine(log: Logger, service: string, line: string, stream: 'stdout' | 'stderr'): void {
  if (line.trim() === '') return
  const record = parseRecord(line)
  if (!record || (typeof record.msg !== 'string' && record.level === undefined)) {
    const cut = line.length > maxLineLength ? `${line.slice(0, maxLineLength)}…` : line
    log[stream === 'stderr' ? 'warn' : 'info']({ target: service }, '%s', cut)
    return
  }
  const fields = Object.fromEntries(Object.entries(record).filter(([key]) => !ownFields.has(key)))
  const message = typeof record.msg === 'string' ? record.msg.slice(0, maxLineLength) : ''
  log[levelOf(record.level)]({ ...fields, target: service }, '%s', message)
}

function levelOf(given: unknown): Level {
  if (typeof given === 'number')
    return levels[Math.min(levels.length, Math.max(1, Math.floor(given / 10))) - 1] ?? 'info'
  return levels.find((level) => level === given) ?? 'info'
}
