import type { Context } from '#kernel/context.ts'
import type { Handlers } from '#kernel/http/handler.ts'
import { recordKinds } from '#kernel/retention/record-kinds.ts'
import { databaseSize, listRetentionRuns } from '#kernel/store/retention.ts'
import type { retentionRoutes } from '#sdk/contracts/retention.ts'

type Needs = Pick<Context, 'config' | 'store' | 'retention'>

export const retentionHandlers: Handlers<typeof retentionRoutes, Needs> = {
  getRetention({ query }, { config, store, retention }) {
    const keeps: Record<string, number> = config.current().retention
    const { file, free, shrinks } = databaseSize(store.read)
    return {
      kinds: Object.entries(recordKinds).map(([kind, { about }]) => ({ kind, about, keep_days: keeps[kind] ?? 0 })),
      running: retention.isRunning,
      database: { file_bytes: file, free_bytes: free, shrinks },
      runs: listRetentionRuns(store.read, query.limit),
    }
  },

  pruneRecords: ({ signal }, { retention }) => retention.run('operator', signal),
}
