import type { Context } from '#kernel/context.ts'
import type { Handlers } from '#kernel/http/handler.ts'
import { readLog } from '#kernel/logs/read-log.ts'
import type { LogEntry, logsRoutes } from '#sdk/contracts/logs.ts'

export const logsHandlers: Handlers<typeof logsRoutes, Pick<Context, 'config' | 'logFeed'>> = {
  async listLogs({ query, headers, signal, reply }, { config, logFeed }) {
    const { lines, follow, ...filter } = query
    const wantsStream = follow || headers.accept?.includes('text/event-stream')
    const live = wantsStream ? logFeed.follow(filter, signal) : undefined
    const entries = await readLog(config.current().server.log_dir, { lines, ...filter })
    if (!live) return { entries }
    const stream = reply.sse({ signal })
    stream.open()
    for (const entry of entries) await stream.send(entry)
    for await (const entry of unseen(live, entries.at(-1))) await stream.send(entry)
    return stream.end()
  },
}

/** The feed began before the backlog was read, so that nothing falls between them; what both have is told once. */
async function* unseen(live: AsyncIterable<LogEntry>, newest: LogEntry | undefined): AsyncGenerator<LogEntry> {
  for await (const entry of live) if (newest === undefined || entry.timestamp > newest.timestamp) yield entry
}
