import { countPendingApprovals } from '#kernel/store/approvals.ts'
import { countCronJobs } from '#kernel/store/cron-jobs.ts'
import { insertMetricSnapshot } from '#kernel/store/metric-snapshots.ts'
import { countActiveSessions } from '#kernel/store/sessions.ts'
import type { ActionDeps } from './action.ts'

/** Keeps how Keel is doing at this moment. */
export async function metricSnapshot({ store, turns }: Pick<ActionDeps, 'store' | 'turns'>): Promise<string> {
  const { total_cost, total_tokens_in, total_tokens_out, requests } = await store.pool.run('costSummary', {
    since: null,
  })
  const metrics = {
    uptime_seconds: Math.floor(process.uptime()),
    rss_bytes: process.memoryUsage.rss(),
    active_turns: turns().activeCount,
    sessions_active: countActiveSessions(store.read),
    pending_approvals: countPendingApprovals(store.read).all,
    cron_jobs: countCronJobs(store.read),
    inference_requests: requests,
    total_cost,
    total_tokens_in,
    total_tokens_out,
  }
  insertMetricSnapshot(store.write, metrics)
  return JSON.stringify(metrics)
}
