import { lstat, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Channels } from '#kernel/channels/channels.ts'
import type { Config } from '#kernel/config/schema.ts'
import type { EventBus } from '#kernel/events/bus.ts'
import { sessionFields } from '#kernel/sessions/session-fields.ts'
import { pruneRuns } from '#kernel/store/cron-runs.ts'
import {
  emptyToolCalls,
  forgetAnalyses,
  forgetJournals,
  forgetOldest,
  listEndedSessions,
} from '#kernel/store/retention.ts'
import { deleteSession } from '#kernel/store/sessions.ts'
import type { Store } from '#kernel/store/store.ts'

export interface ForgetDeps {
  store: Pick<Store, 'read' | 'write'>
  bus: Pick<EventBus, 'publish'>
  channels: Pick<Channels, 'outbox'>
  config: Config
}

/** One kind of record that grows old. */
export interface RecordKind {
  /** What it is, and what is no longer possible without it. */
  about: string
  /** How many may go in one transaction: the event loop waits for it. */
  atOnce: number
  /** Removes up to `limit` from before then. Fewer than `limit` means that no more are left. */
  forget(before: string, limit: number, deps: ForgetDeps): number | Promise<number>
}

const rows = (about: string, table: Parameters<typeof forgetOldest>[1]): RecordKind => ({
  about,
  atOnce: 200,
  forget: (before, limit, { store }) => forgetOldest(store.write, table, before, limit),
})

export const recordKinds: Record<keyof Config['retention'], RecordKind> = {
  turn_journals: {
    about:
      'What each turn showed its model and got back; without it a turn can not be replayed, and its blocks are not told.',
    atOnce: 50,
    forget: (before, limit, { store }) => forgetJournals(store.write, before, limit),
  },
  tool_call_contents: {
    about: 'What tools were given and answered; that they were called, and what became of it, stays.',
    atOnce: 100,
    forget: (before, limit, { store }) => emptyToolCalls(store.write, before, limit),
  },
  model_selections: rows('Why a turn got its model.', 'model_selection_events'),
  policy_decisions: rows('Why a tool call was allowed or denied.', 'policy_decisions'),
  approvals: rows('Who decided about a call; what waits for a person stays.', 'approval_requests'),
  costs: rows('What each call to a model used and cost; the statistics are made of it.', 'inference_costs'),
  cron_runs: {
    about: 'What jobs did, and what they brought.',
    atOnce: 200,
    forget: (before, limit, { store }) => pruneRuns(store.write, before, limit),
  },
  dead_letters: {
    about: 'Messages that could not be delivered, and their files.',
    atOnce: 50,
    forget: (before, limit, { channels }) => channels.outbox.pruneDeadLetters(before, limit),
  },
  metric_snapshots: rows('Figures that jobs have kept.', 'metric_snapshots'),
  analyses: {
    about: 'What models have said about turns, sessions and periods; asked again they say it anew.',
    atOnce: 200,
    forget: (before, limit, { store }) => forgetAnalyses(store.write, before, limit),
  },
  ended_sessions: {
    about: 'Conversations that were archived or have expired, with their messages and turns.',
    atOnce: 1,
    forget(before, limit, { store, bus }) {
      const ended = listEndedSessions(store.read, before, limit)
      for (const session of ended) {
        deleteSession(store.write, session.id)
        bus.publish('session_deleted', sessionFields(session))
      }
      return ended.length
    },
  },
  trash: {
    about: 'Skills and plugins that were removed, or replaced by another version.',
    atOnce: 20,
    forget: (before, limit, { config }) =>
      removeFrom(
        [config.skills.skills_dir, config.plugins.dir].map((folder) => join(folder, '.trash')),
        {
          ...{ before, limit },
          name: /^\d{4}-\d\d-\d\dT/,
        },
      ),
  },
  screenshots: {
    about: 'Pictures and documents that the agent has made of web pages, in its workspace.',
    atOnce: 50,
    forget: (before, limit, { config }) =>
      removeFrom([join(config.agent.workspace, 'screenshots')], {
        ...{ before, limit },
        name: /^(?:screenshot|pdf)-[\w-]{36}\.(?:png|jpg|pdf)$/,
      }),
  },
}

/** Removes up to `limit` entries that have such a name and were put there before then. A folder that is a link is left alone. */
async function removeFrom(
  folders: readonly string[],
  { before, limit, name }: { before: string; limit: number; name: RegExp },
): Promise<number> {
  let removed = 0
  for (const folder of folders) {
    const found = await lstat(folder).catch(absent)
    if (!found?.isDirectory()) continue
    for (const entry of (await readdir(folder)).filter((one) => name.test(one)).sort()) {
      if (removed === limit) return removed
      const path = join(folder, entry)
      // A folder that was moved here keeps the time of its last change, and the move sets the other.
      if ((await lstat(path)).ctime.toISOString() >= before) continue
      await rm(path, { recursive: true, force: true })
      removed += 1
    }
  }
  return removed
}

function absent(thrown: NodeJS.ErrnoException): undefined {
  if (thrown.code !== 'ENOENT') throw thrown
}
