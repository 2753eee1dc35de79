import { beforeEach, describe, expect, test } from 'vitest'
import {
  cancelWaiting,
  findDue,
  findHeldRun,
  giveBackRuns,
  insertManualRun,
  isRunWaiting,
  lapseLeases,
  renewLeases,
  takeRuns,
} from '#kernel/store/cron-claims.ts'
import {
  countJobsAhead,
  deleteDoneOneShots,
  findCronJob,
  listDueJobs,
  loadCronJob,
  nextJobAt,
  pauseCronJob,
  updateCronJob,
} from '#kernel/store/cron-jobs.ts'
import {
  beginOnce,
  type CronRunRow,
  countRunsUnderWay,
  hasRunFor,
  loadCronRun,
  pruneRuns,
} from '#kernel/store/cron-runs.ts'
import { sql, type WritableDb } from '#kernel/store/database.ts'
import { openStore, type Store } from '#kernel/store/store.ts'
import { timestamp } from '#sdk/ids.ts'
import { schedulerBounds } from '#sdk/services/scheduler.ts'
import {
  addJob,
  claim,
  finish,
  firstDue,
  hourMs,
  jobFields,
  leaseMs,
  nowhere,
  planFor,
  runsOf,
  take,
} from '../support/cron-scene.ts'
import { planOf } from '../support/query-plan.ts'
import { temporaryStore } from '../support/temp-store.ts'

let store: Store
let path: string

beforeEach(() => {
  ;({ store, path } = temporaryStore())
})

function taken(jobId: string): CronRunRow {
  const found = take(store).find(({ run }) => run.job_id === jobId)
  if (!found) throw new Error('nothing was taken')
  return found.run
}

describe('a claim', () => {
  test('makes a run that waits, and says when the job is due again', () => {
    const { id } = addJob(store)
    expect(claim(store, planFor(store, id))).toMatchObject({ claimed: 1, replaced: [], news: [] })
    expect(runsOf(store, id)).toEqual(['waiting@0'])
    expect(loadCronJob(store.read, id)).toMatchObject({ next_run_at: timestamp(firstDue + hourMs), revision: 1 })
  })

  test('of an occurrence that somebody else has claimed does nothing', () => {
    const { id } = addJob(store)
    const plan = planFor(store, id)
    claim(store, plan)
    expect(claim(store, plan)).toMatchObject({ claimed: 0, news: [] })
    expect(runsOf(store, id)).toEqual(['waiting@0'])
  })

  test('of a job that has changed, was paused or is gone is void', () => {
    const [changed, paused] = [addJob(store), addJob(store)]
    const plans = [changed, paused].map(({ id }) => planFor(store, id))
    updateCronJob(store.write, changed.id, jobFields({ name: 'Another' }))
    pauseCronJob(store.write, paused.id, null)
    expect(claim(store, ...plans, { ...planFor(store, changed.id), job_id: 'gone' }).claimed).toBe(0)
    expect([...runsOf(store, changed.id), ...runsOf(store, paused.id)]).toEqual([])
  })

  test('of a clock that was set back does not run again what has run', () => {
    const { id } = addJob(store)
    claim(store, planFor(store, id))
    finish(store, taken(id))
    updateCronJob(store.write, id, jobFields())
    expect(claim(store, planFor(store, id)).claimed).toBe(1)
    expect(runsOf(store, id)).toEqual(['success@0'])
    expect(loadCronJob(store.read, id).next_run_at).toBe(timestamp(firstDue + hourMs))
  })

  test('leaves one row for all that was missed', () => {
    const { id } = addJob(store)
    const missed = { first: firstDue, last: firstDue + 3 * hourMs, count: 4, reason: 'missed' }
    const { news } = claim(store, planFor(store, id, { runs: [firstDue + 4 * hourMs], missed }))
    expect(news).toMatchObject([{ what: 'skipped', run: { missed_count: 4, error: 'missed' }, job: { id } }])
    expect(news[0]?.run.missed_until).toBe(timestamp(firstDue + 3 * hourMs))
    expect(runsOf(store, id)).toEqual(['skipped@0', 'waiting@4'])
  })

  test('of the last occurrence disables the job, whose run is done all the same', () => {
    const { id } = addJob(store)
    claim(store, planFor(store, id, { next_run_at: null }))
    expect(loadCronJob(store.read, id)).toMatchObject({ enabled: false, next_run_at: null, last_status: null })
    expect(taken(id)).toMatchObject({ status: 'running', attempt: 1 })
  })

  test('is made once by two that share the file', () => {
    const other = openStore(path, { onFault: () => {} })
    try {
      const jobs = Array.from({ length: 20 }, () => addJob(store).id)
      const plans = jobs.map((id) => planFor(store, id))
      const both = [claim(store, ...plans.slice(0, 12)), claim(other, ...plans), claim(store, ...plans)]
      expect(both.map(({ claimed }) => claimed)).toEqual([12, 8, 0])
      const runs = [...take(store, { limit: 7 }), ...take(other, { holder: 'two' }), ...take(store)]
      expect(runs.map(({ run }) => run.lease_holder)).toEqual([...Array(7).fill('one'), ...Array(13).fill('two')])
      expect(new Set(runs.map(({ run }) => run.job_id)).size).toBe(20)
    } finally {
      void other.close()
    }
  })
})

describe('an occurrence that is due beside an earlier run', () => {
  const before = { none: 'none', waiting: 'one that waits', running: 'one under way' } as const

  test.each([
    ['forbid', 'none', ['waiting@1']],
    ['forbid', 'waiting', ['waiting@0', 'skipped@1']],
    ['forbid', 'running', ['running@0', 'skipped@1']],
    ['queue', 'none', ['waiting@1']],
    ['queue', 'waiting', ['waiting@0', 'waiting@1']],
    ['queue', 'running', ['running@0', 'waiting@1']],
    ['replace', 'none', ['waiting@1']],
    ['replace', 'waiting', ['cancelled@0', 'waiting@1']],
    ['replace', 'running', ['cancelled@0', 'waiting@1']],
    ['allow', 'none', ['waiting@1']],
    ['allow', 'waiting', ['waiting@0', 'waiting@1']],
    ['allow', 'running', ['running@0', 'waiting@1']],
  ] as const)('%s beside %s', (overlap, earlier, expected) => {
    const { id } = addJob(store, { overlap })
    claim(store, planFor(store, id, { runs: earlier === 'none' ? [] : [firstDue], next_run_at: firstDue + hourMs }))
    if (earlier === 'running') taken(id)
    const { news, replaced } = claim(store, planFor(store, id))
    expect(runsOf(store, id), before[earlier]).toEqual(expected)
    const skipped = expected.some((run) => run.startsWith('skipped'))
    const cancelled = expected.some((run) => run.startsWith('cancelled'))
    expect(news.map(({ what }) => what)).toEqual(skipped ? ['skipped'] : cancelled ? ['finished'] : [])
    expect(replaced).toHaveLength(cancelled ? 1 : 0)
    if (skipped) expect(news[0]?.run.error).toBe('an earlier run is under way')
    if (cancelled) expect(news[0]?.run).toMatchObject({ error: 'a later run has taken its place', lease_holder: null })
  })

  test.each([
    ['forbid', ['running@0', 'waiting@1', 'waiting@2'], 1],
    ['queue', ['running@0', 'waiting@1', 'waiting@2'], 1],
    ['replace', ['cancelled@0', 'cancelled@1', 'running@2'], 1],
    ['allow', ['running@0', 'running@1', 'running@2'], 3],
  ] as const)('%s: of three that are caught up at once', (overlap, expected, runningAtOnce) => {
    const { id } = addJob(store, { overlap })
    claim(store, planFor(store, id, { runs: [0, 1, 2].map((hour) => firstDue + hour * hourMs) }))
    expect(take(store)).toHaveLength(runningAtOnce)
    expect(runsOf(store, id)).toEqual(expected)
  })

  test.each(['forbid', 'queue'] as const)(
    '%s: those that wait are done one after the other, the oldest first',
    (overlap) => {
      const { id } = addJob(store, { overlap })
      claim(store, planFor(store, id, { runs: [0, 1, 2].map((hour) => firstDue + hour * hourMs) }))
      for (const hour of [0, 1, 2]) {
        const [first, ...others] = take(store)
        expect(others).toEqual([])
        expect(first?.run.scheduled_for).toBe(timestamp(firstDue + hour * hourMs))
        if (first) finish(store, first.run)
      }
      expect(runsOf(store, id)).toEqual(['success@0', 'success@1', 'success@2'])
    },
  )

  test.each(['queue', 'allow'] as const)('%s: no more than the bound wait', (overlap) => {
    const { id } = addJob(store, { overlap })
    const { queue } = schedulerBounds
    const { news } = claim(
      store,
      planFor(store, id, { runs: Array.from({ length: queue + 2 }, (_, at) => firstDue + at) }),
    )
    expect(news.map(({ what, run }) => [what, run.error])).toEqual(Array(2).fill(['skipped', 'the queue is full']))
    expect(runsOf(store, id).filter((run) => run.startsWith('waiting'))).toHaveLength(queue)
  })

  test('one that waits for its next attempt counts as earlier, and does not hold up what may begin now', () => {
    const { id } = addJob(store, { overlap: 'queue' })
    claim(store, planFor(store, id))
    finish(store, taken(id), { status: 'error', error: 'no', retry_at: timestamp(firstDue + 2 * hourMs) })
    claim(store, planFor(store, id))
    expect(taken(id).scheduled_for).toBe(timestamp(firstDue + hourMs))
    expect(runsOf(store, id)).toEqual(['waiting@0', 'running@1'])
  })
})

describe('a taken run', () => {
  let jobId: string
  let run: CronRunRow

  beforeEach(() => {
    jobId = addJob(store, { max_retries: 1 }).id
    claim(store, planFor(store, jobId))
    run = taken(jobId)
  })

  test('has a lease, and a later attempt a higher number', () => {
    expect(run).toMatchObject({ attempt: 1, lease_holder: 'one', lease_expires_at: timestamp(firstDue + leaseMs) })
    const retry_at = timestamp(firstDue + 1_000)
    expect(finish(store, run, { status: 'error', error: 'no', retry_at })).toMatchObject([
      { what: 'retrying', run: { status: 'waiting', error: 'no', not_before: retry_at, lease_holder: null } },
    ])
    expect(take(store)).toEqual([])
    const [again] = take(store, { now: firstDue + 1_000, holder: 'two' })
    expect(again?.run).toMatchObject({ id: run.id, attempt: 2, error: null, not_before: null })
    expect(loadCronJob(store.read, jobId)).toMatchObject({ consecutive_errors: 0, last_status: null })
  })

  test('is not tried more often than its job says', () => {
    const retry_at = timestamp(firstDue)
    finish(store, run, { status: 'error', error: 'no', retry_at })
    expect(finish(store, taken(jobId), { status: 'error', error: 'no', retry_at })).toMatchObject([
      { what: 'finished', run: { status: 'error', attempt: 2 } },
    ])
  })

  test('is recorded with its numbers, and so is its job', () => {
    expect(finish(store, run)).toMatchObject([{ what: 'finished', run: { status: 'success', output_text: 'done' } }])
    expect(loadCronRun(store.read, run.id)).toMatchObject({ duration_ms: 1_500, lease_holder: null, error: null })
    expect(loadCronJob(store.read, jobId)).toMatchObject({
      last_run_at: timestamp(firstDue),
      last_status: 'success',
      last_duration_ms: 1_500,
      last_error: null,
      consecutive_errors: 0,
    })
  })

  test('is nobody’s but its holder’s, in this attempt', () => {
    for (const other of [{ attempt: 2 }, { lease_holder: 'two' }, { id: 'another' }])
      expect(finish(store, { ...run, ...other })).toBeUndefined()
    expect(finish(store, run)).toBeDefined()
    expect(finish(store, run)).toBeUndefined()
    expect(findHeldRun(store.read, { run_id: run.id, attempt: 1, holder: 'one' })).toBeUndefined()
  })

  test('keeps its lease for as long as its holder renews it', () => {
    const held = { run_id: run.id, attempt: 1, holder: 'one' }
    const until = timestamp(firstDue + 2 * leaseMs)
    expect(renewLeases(store.write, [held, { ...held, holder: 'two' }, { ...held, attempt: 2 }], until)).toEqual([
      run.id,
      run.id,
    ])
    expect(lapseLeases(store.durable, { endedBy: timestamp(firstDue + leaseMs) }, nowhere)).toEqual([])
    expect(lapseLeases(store.durable, { endedBy: until }, nowhere)).toHaveLength(1)
    expect(renewLeases(store.write, [held], until)).toEqual([run.id])
    expect(finish(store, run)).toBeUndefined()
  })

  test('of a kernel that ends in order is begun again, as if it had not been', () => {
    giveBackRuns(store.durable, null)
    expect(loadCronRun(store.read, run.id)).toMatchObject({ status: 'waiting', attempt: 0, started_at: null })
    expect(finish(store, run)).toBeUndefined()
    expect(take(store, { holder: 'next' })[0]?.run).toMatchObject({ id: run.id, attempt: 1 })
  })

  test('does what may not be done twice once, whoever has it', () => {
    expect(beginOnce(store.durable, run.id)).toBe(true)
    giveBackRuns(store.durable, null)
    taken(jobId)
    expect(beginOnce(store.durable, run.id)).toBe(false)
  })

  test('goes with its job', () => {
    sql(store.write, 'DELETE FROM cron_jobs').run()
    expect(finish(store, run)).toBeUndefined()
  })
})

describe('a run whose process died', () => {
  test('is tried again if its job says so and attempts are left, and then given up', () => {
    const { id } = addJob(store, { max_retries: 1 })
    claim(store, planFor(store, id))
    const run = taken(id)
    const error = 'the process that ran it died'
    expect(lapseLeases(store.durable, { endedBy: timestamp(firstDue + leaseMs) }, nowhere)).toMatchObject([
      { what: 'retrying', run: { id: run.id, status: 'waiting', error } },
    ])
    const [again] = take(store, { now: firstDue + leaseMs })
    expect(again?.run.attempt).toBe(2)
    const later = timestamp(firstDue + 2 * leaseMs)
    expect(lapseLeases(store.durable, { endedBy: later }, nowhere)).toMatchObject([
      { what: 'finished', run: { status: 'error', error } },
    ])
    expect(loadCronJob(store.read, id)).toMatchObject({
      last_status: 'error',
      consecutive_errors: 1,
      last_error: error,
    })
  })

  test.each([
    ['fail', 'schedule'],
    ['retry', 'manual'],
  ] as const)('is an error where the policy is %s and it was begun by %s', (after_crash, trigger) => {
    const { id } = addJob(store, { after_crash })
    if (trigger === 'manual') insertManualRun(store.durable, id)
    else claim(store, planFor(store, id))
    taken(id)
    expect(lapseLeases(store.durable, { endedBy: 'now' }, nowhere)).toMatchObject([
      { what: 'finished', run: { status: 'error' } },
    ])
    expect(take(store)).toEqual([])
  })

  test('is found at the start of a kernel, whatever its lease says', () => {
    const jobs = Array.from({ length: 60 }, () => addJob(store).id)
    claim(store, ...jobs.map((id) => planFor(store, id)))
    expect(take(store, { limit: 60 })).toHaveLength(60)
    expect(lapseLeases(store.durable, { endedBy: timestamp(firstDue) }, nowhere)).toEqual([])
    // No more at once than the event loop can wait for.
    expect([1, 2, 3].map(() => lapseLeases(store.durable, { endedBy: 'now' }, nowhere).length)).toEqual([50, 10, 0])
  })
})

describe('a run beside the schedule', () => {
  test('is of now, is not tried again, and leaves the schedule as it is', () => {
    const { id } = addJob(store)
    pauseCronJob(store.write, id, null)
    const placed = insertManualRun(store.durable, id)
    expect(placed).toMatchObject({ run: { trigger: 'manual', status: 'waiting' } })
    const run = taken(id)
    finish(store, run, { status: 'error', error: 'no', retry_at: timestamp(firstDue) })
    expect(loadCronRun(store.read, run.id)).toMatchObject({ status: 'error', attempt: 1 })
    expect(loadCronJob(store.read, id)).toMatchObject({ enabled: false, next_run_at: null })
  })

  test.each([
    ['forbid', 'an earlier run is under way'],
    ['queue', null],
    ['replace', null],
    ['allow', null],
  ] as const)('%s: beside one under way', (overlap, refusal) => {
    const { id } = addJob(store, { overlap })
    claim(store, planFor(store, id))
    const { id: earlier } = taken(id)
    const placed = insertManualRun(store.durable, id)
    if (refusal !== null) return expect(placed).toBe(refusal)
    if (typeof placed === 'string') throw new Error(placed)
    expect(placed.replaced.map((run) => run.id)).toEqual(overlap === 'replace' ? [earlier] : [])
    expect(take(store)).toHaveLength(overlap === 'queue' ? 0 : 1)
  })

  test('names another time than any before it, or that of the run that it stands for', () => {
    const { id } = addJob(store, { overlap: 'allow' })
    const due = Array.from({ length: 20 }, () => insertManualRun(store.durable, id)).map((placed) =>
      typeof placed === 'string' ? placed : placed.run.scheduled_for,
    )
    expect(new Set(due).size).toBe(20)
    expect(insertManualRun(store.durable, id, timestamp(firstDue))).toMatchObject({
      run: { scheduled_for: timestamp(firstDue) },
    })
  })

  test('of a job that is not there is refused', () => {
    expect(() => insertManualRun(store.durable, 'nobody')).toThrow('cron job nobody not found')
  })
})

describe('a job that fails', () => {
  const error = { status: 'error', error: 'no' } as const

  function fail(jobId: string, more: object = {}) {
    insertManualRun(store.durable, jobId)
    return finish(store, taken(jobId), { ...error, ...more })
  }

  test('ten times in a row is paused; a success in between begins the count anew', () => {
    const { id } = addJob(store, { overlap: 'queue' })
    for (let times = 0; times < 9; times++) fail(id)
    insertManualRun(store.durable, id)
    finish(store, taken(id))
    for (let times = 0; times < 9; times++) expect(fail(id)).toMatchObject([{ what: 'finished' }])
    claim(store, planFor(store, id, { runs: [firstDue + 100 * hourMs] }))
    insertManualRun(store.durable, id)
    const [run] = take(store)
    if (!run) throw new Error('nothing was taken')
    expect(finish(store, run.run, error)).toMatchObject([
      { what: 'finished' },
      { what: 'job_paused', job: { enabled: false, last_status: 'paused_errors', consecutive_errors: 10 } },
      { what: 'finished', run: { status: 'cancelled', error: 'the job was paused', trigger: 'schedule' } },
    ])
    expect(loadCronJob(store.read, id)).toMatchObject({
      enabled: false,
      next_run_at: null,
      last_status: 'paused_errors',
    })
  })

  test('for a reason that does not pass is paused at once, with that as its status', () => {
    const { id } = addJob(store)
    expect(fail(id, { pause_as: 'paused_unknown_action' })).toMatchObject([
      { what: 'finished' },
      { what: 'job_paused' },
    ])
    expect(loadCronJob(store.read, id)).toMatchObject({ enabled: false, last_status: 'paused_unknown_action' })
  })

  test('because its run was cancelled has not failed', () => {
    const { id } = addJob(store)
    insertManualRun(store.durable, id)
    finish(store, taken(id), { status: 'cancelled', error: 'no' })
    expect(loadCronJob(store.read, id)).toMatchObject({ last_status: null, consecutive_errors: 0 })
  })
})

describe('what a run has brought', () => {
  const announced = { delivery_mode: 'announce', delivery_channel: 'signal' } as const

  test.each([
    ['success', 'done', null],
    ['error', 'A job failed: no', 'no'],
  ] as const)('is handed on after a %s, once', (status, text, error) => {
    const { id } = addJob(store, announced)
    claim(store, planFor(store, id))
    const run = taken(id)
    const told: unknown[] = []
    const news = finish(store, run, { status, error }, (message) => {
      told.push(message)
      return null
    })
    expect(told).toEqual([{ channel: 'signal', text, key: run.id }])
    expect(news?.map(({ what }) => what)).toEqual(['finished', 'announced'])
  })

  test('that can not be handed on says so in its error, and has not failed for it', () => {
    const { id } = addJob(store, announced)
    claim(store, planFor(store, id))
    const run = taken(id)
    expect(finish(store, run, {}, () => 'there is no channel signal')).toMatchObject([{ what: 'finished' }])
    const problem = 'not delivered: there is no channel signal'
    expect(loadCronRun(store.read, run.id)).toMatchObject({ status: 'success', error: problem })
    expect(loadCronJob(store.read, id)).toMatchObject({ last_status: 'success', last_error: problem })
  })
})

describe('what is due', () => {
  const due = (now: number) => findDue(store.read, timestamp(now), 50)

  test('nothing, and nothing later, on a fresh store', () => {
    expect(due(firstDue)).toEqual({ jobs: [], next_at: null })
  })

  test('the longest due first; then when the next is, a put-off run may begin, or a lease ends', () => {
    const late = addJob(store, { next_run_at: timestamp(firstDue + hourMs) })
    const early = addJob(store)
    addJob(store, { enabled: false, next_run_at: null })
    expect(due(firstDue - 1)).toMatchObject({ jobs: [], next_at: timestamp(firstDue) })
    expect(due(firstDue + hourMs).jobs.map(({ id }) => id)).toEqual([early.id, late.id])
    claim(store, planFor(store, early.id, { next_run_at: null }), planFor(store, late.id, { next_run_at: null }))
    expect(due(firstDue)).toEqual({ jobs: [], next_at: null })
    expect(isRunWaiting(store.read, timestamp(firstDue))).toBe(true)
    const runs = take(store)
    expect(due(firstDue)).toEqual({ jobs: [], next_at: timestamp(firstDue + leaseMs) })
    const retry_at = timestamp(firstDue + 1_000)
    for (const { run } of runs) finish(store, run, { status: 'error', error: 'no', retry_at })
    expect(due(firstDue)).toEqual({ jobs: [], next_at: retry_at })
    expect(due(firstDue + 1_000)).toEqual({ jobs: [], next_at: null })
    expect(isRunWaiting(store.read, retry_at)).toBe(true)
  })
})

test('a paused job drops what its schedule has left, and keeps what a person has asked for', () => {
  const job = addJob(store, { overlap: 'queue' })
  claim(store, planFor(store, job.id))
  insertManualRun(store.durable, job.id, timestamp(firstDue + hourMs))
  expect(cancelWaiting(store.durable, job, 'the job was paused')).toHaveLength(1)
  expect(runsOf(store, job.id)).toEqual(['cancelled@0', 'waiting@1'])
})

test('only what was over by then is pruned, batch by batch', () => {
  const { id } = addJob(store, { overlap: 'allow' })
  claim(store, planFor(store, id, { runs: Array.from({ length: 5 }, (_, at) => firstDue + at * hourMs) }))
  const [first, ...others] = take(store)
  for (const { run } of others) finish(store, run, { finished_at: timestamp(firstDue) })
  const before = timestamp(firstDue + 1)
  expect([1, 2, 3].map(() => pruneRuns(store.write, before, 3))).toEqual([3, 1, 0])
  expect(runsOf(store, id)).toEqual(['running@0'])
  expect(loadCronRun(store.read, first?.run.id ?? '').status).toBe('running')
})

test('one-shots of the agent that are done make room, others do not', () => {
  const done = { enabled: false, next_run_at: null, schedule_kind: 'once' } as const
  const mine = addJob(store, done)
  const agents = [done, { ...done, enabled: true }, { ...done, schedule_kind: 'every' as const }].map((given) => {
    const job = addJob(store, given)
    sql(store.write, `UPDATE cron_jobs SET created_by = 'session' WHERE id = ?`).run(job.id)
    return job
  })
  deleteDoneOneShots(store.write, 100)
  expect([mine, ...agents].map(({ id }) => findCronJob(store.read, id) !== undefined)).toEqual([
    true,
    false,
    true,
    true,
  ])
})

test('nothing that is asked again and again goes through all jobs or all runs', () => {
  const at = timestamp(firstDue)
  expect(planOf(store, (db) => listDueJobs(db, at, 1))).toContain('cron_jobs_due (next_run_at>? AND next_run_at<?)')
  expect(planOf(store, (db) => nextJobAt(db))).toContain('cron_jobs_due')
  expect(planOf(store, (db) => countJobsAhead(db, 'x'))).toContain('cron_jobs_by_maker (created_by=?)')
  const take = (db: WritableDb) => takeRuns(db, { holder: 'x', now: at, until: at, limit: 1 })
  expect(planOf(store, take)).toContain('cron_runs_waiting')
  expect(planOf(store, take)).toContain('cron_runs_active (job_id=? AND status=?)')
  expect(planOf(store, (db) => lapseLeases(db, { endedBy: at }, nowhere))).toContain('cron_runs_leased')
  expect(planOf(store, (db) => countRunsUnderWay(db))).toContain('cron_runs_leased')
  expect(planOf(store, (db) => hasRunFor(db, 'x', at))).toContain('cron_runs_of_day (scheduled_for=?)')
  expect(planOf(store, (db) => pruneRuns(db, at, 1))).toContain('cron_runs_newest (created_at<?)')
})
