import { type LogEntry, logLevel } from '#sdk/contracts/logs.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { openConfig } from '../config/live-config.ts'
import { readLog } from '../logs/read-log.ts'
import { terminalLine } from '../logs/terminal-text.ts'
import { type CliSession, withServer } from './connection.ts'
import type { Output } from './output.ts'

export interface LogsOptions {
  follow?: boolean
  lines?: string
  level?: string
  target?: string
  search?: string
  trace?: string
}

const defaultLines = 50
const maxLines = 10_000

/** Prints the newest entries, oldest first, and with `follow` what comes after them. Without a server it reads the files. */
export async function showLogs(session: CliSession, { follow, ...options }: LogsOptions): Promise<void> {
  const { client, home, out, io } = session
  const query = queryOf(options)
  if (follow) {
    const stream = client.logs.listLogs.stream({ query: { ...query, follow: true }, signal: io.signal })
    try {
      for await (const entry of stream) printEntry(entry, out)
    } catch (thrown) {
      if (!io.signal.aborted) throw thrown
    }
    return
  }
  const { entries } = await withServer(
    session,
    () => client.logs.listLogs({ query }),
    async () => ({ entries: await readLog(openConfig(home, io.env).current().server.log_dir, query) }),
  )
  for (const entry of entries) printEntry(entry, out)
}

function queryOf({ lines, level, target, search, trace }: LogsOptions) {
  const count = lines === undefined ? defaultLines : Number(lines)
  if (!Number.isInteger(count) || count < 1 || count > maxLines) {
    throw new RuntimeError(
      'invalid',
      `--lines: expected a whole number from 1 to ${maxLines}, got ${JSON.stringify(lines)}`,
    )
  }
  const parsed = logLevel.optional().safeParse(level)
  if (!parsed.success) {
    throw new RuntimeError(
      'invalid',
      `--level: expected one of ${logLevel.options.join(', ')}, got ${JSON.stringify(level)}`,
    )
  }
  return { lines: count, level: parsed.data, target, q: search, trace_id: trace }
}

const styles = { trace: 'dim', debug: 'dim', info: 'green', warn: 'yellow', error: 'red' } as const

function printEntry(entry: LogEntry, out: Output): void {
  out.value(entry, ({ timestamp, level, target, message }) => {
    const where = target === undefined ? '' : `${terminalLine(target)}: `
    out.line(
      `${out.style('dim', terminalLine(timestamp))} ${out.style(styles[level], `[${level}]`)} ${where}${terminalLine(message)}`,
    )
  })
}
