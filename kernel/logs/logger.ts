import { type Logger, pino } from 'pino'
import type { PrettyOptions } from 'pino-pretty'
import type { LogLevel } from '#sdk/contracts/logs.ts'
import { logIds } from '#sdk/telemetry/log-ids.ts'
import { LiveLogFeed } from './log-feed.ts'
import { pruneLogs } from './prune-logs.ts'
import { redactLine } from './redact-line.ts'
import { RollingFile } from './rolling-file.ts'
import { terminalLine, terminalText } from './terminal-text.ts'

export type { LogFeed } from './log-feed.ts'

/** Where lines go besides the files. */
export type LogTerminal = Pick<NodeJS.WriteStream, 'write' | 'isTTY' | 'on'>

export interface LogOptions {
  /** The folder of the log files; null keeps none. */
  dir: string | null
  level: LogLevel
  maxDays: number
  /** stderr unless told; null writes to the files alone. */
  terminal?: LogTerminal | null
  env?: NodeJS.ProcessEnv
}

export interface KeelLog {
  log: Logger
  feed: LiveLogFeed
  setLevel(level: LogLevel): void
  /** Resolves when every line so far is in the file. */
  flush(): Promise<void>
  close(): Promise<void>
}

const pruneEveryMs = 6 * 3_600_000

/** The kernel's log: one JSON line an entry, redacted, to stderr (readable on a terminal), to files, to followers. */
export async function openLogger({ dir, level, maxDays, env = process.env, ...options }: LogOptions): Promise<KeelLog> {
  const terminal = options.terminal === undefined ? terminalOf(env) : options.terminal
  const toTerminal = terminal ? await terminalWriter(terminal, env) : () => {}
  const file = dir === null ? undefined : await openFile(dir, toTerminal, () => prune())
  const feed = new LiveLogFeed()
  const log = pino(
    {
      level,
      base: null,
      mixin: (fields, _level, logger) =>
        'target' in fields || 'target' in logger.bindings() ? logIds() : { target: 'kernel', ...logIds() },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      hooks: { streamWrite: redactLine },
    },
    {
      write(line: string) {
        file?.write(line)
        toTerminal(line)
        feed.publish(line)
      },
    },
  )
  const prune = () => {
    if (dir !== null) pruneLogs(dir, maxDays).catch((err) => log.warn({ err }, 'old log files could not be deleted'))
  }
  prune()
  const pruning = setInterval(prune, pruneEveryMs).unref()

  return {
    log,
    feed,
    setLevel(next) {
      log.level = next
    },
    flush: async () => file?.flush(),
    async close() {
      clearInterval(pruning)
      feed.close()
      await file?.close()
    },
  }
}

function openFile(dir: string, toTerminal: (line: string) => void, onRoll: () => void): Promise<RollingFile> {
  return RollingFile.open(dir, {
    onRoll,
    onError({ message }) {
      const time = new Date().toISOString()
      toTerminal(`${JSON.stringify({ level: 'error', time, target: 'logs', msg: `A log file failed: ${message}` })}\n`)
    },
  })
}

/** A detached kernel has nobody who reads its stderr; that file then holds only what could not be logged. */
function terminalOf(env: NodeJS.ProcessEnv): LogTerminal | null {
  return env.KEEL_LOG_STDERR === 'off' ? null : process.stderr
}

async function terminalWriter(terminal: LogTerminal, env: NodeJS.ProcessEnv): Promise<(line: string) => void> {
  let usable = true
  // A pipe whose reader has gone away ends the writing, not the kernel.
  terminal.on('error', () => {
    usable = false
  })
  const format = terminal.isTTY ? await readableFormat(env) : undefined
  return (line) => {
    if (usable) terminal.write(format ? format(line) : line)
  }
}

/** Loads what makes lines readable: nobody but a terminal needs it. */
async function readableFormat(env: NodeJS.ProcessEnv): Promise<(line: string) => string> {
  const { prettyFactory } = await import('pino-pretty')
  const options: PrettyOptions = {
    colorize: !env.NO_COLOR,
    translateTime: 'SYS:HH:MM:ss',
    ignore: 'pid,hostname,target',
    singleLine: true,
    messageFormat: (record, key) => {
      const target = typeof record.target === 'string' && record.target !== 'kernel' ? `${record.target}: ` : ''
      return terminalLine(`${target}${String(record[key] ?? '')}`)
    },
  }
  const format: (record: unknown) => string = prettyFactory(options)
  return (line) => format(terminalValues(JSON.parse(line)))
}

/** Every text in it fit for a terminal; the fields and stack of an entry are printed too. */
function terminalValues(value: unknown): unknown {
  if (typeof value === 'string') return terminalText(value)
  if (Array.isArray(value)) return value.map(terminalValues)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [terminalText(key), terminalValues(inner)]))
}
