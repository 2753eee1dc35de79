import { beforeEach, expect, test } from 'vitest'
import { cronToolsOf, maxJobsOfSession } from '#kernel/scheduler/cron-tools.ts'
import {
  type CronJobRow,
  deleteCronJob,
  findCronJob,
  insertCronJob,
  listCronJobs,
  pauseCronJob,
} from '#kernel/store/cron-jobs.ts'
import type { Store } from '#kernel/store/store.ts'
import type { ToolCaller } from '#kernel/tools/tool.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { newSession } from '../support/ingest-scene.ts'
import { temporaryStore } from '../support/temp-store.ts'

let store: Store
let session_id: string
let caller: ToolCaller
let tools: ReturnType<typeof cronToolsOf>
let failure: Error | undefined

beforeEach(() => {
  store = temporaryStore().store
  session_id = newSession(store)
  caller = { turn_id: 't', session_id, agent_id: 'keel', channel: 'web', authority: 'SelfGenerated' }
  failure = undefined
  tools = cronToolsOf({
    read: store.read,
    agentId: () => 'keel',
    zone: () => 'Europe/Vienna',
    destinationOf: (turnId) => (turnId === 'on-telegram' ? 'telegram:42 7' : null),
    create(job) {
      if (failure) throw failure
      return insertCronJob(store.write, job)
    },
    delete: async (id) => deleteCronJob(store.write, id),
  })
})

async function use(name: string, input: Record<string, unknown>, by: Partial<ToolCaller> = {}) {
  const tool = tools.find((candidate) => candidate.name === name)
  if (!tool) throw new Error(`There is no tool ${name}`)
  const parsed = tool.parse(input)
  if (typeof parsed === 'string') return { status: 'wrong input', output: parsed }
  const signal = new AbortController().signal
  return tool.run(parsed, { call_id: 'c', caller: { ...caller, ...by }, version: tool.version, signal })
}

const jobs = (): CronJobRow[] => listCronJobs(store.read, { created_by: null, limit: 1_000 })
function onlyJob(): CronJobRow {
  const [job, ...others] = jobs()
  if (!job || others.length > 0) throw new Error(`there are ${jobs().length} jobs`)
  return job
}

test('their risks are as written down', () => {
  expect(tools.map(({ name, risk, idempotent }) => [name, risk, idempotent])).toEqual([
    ['schedule_reminder', 'Caution', false],
    ['schedule_job', 'Caution', false],
    ['list_jobs', 'Caution', true],
    ['cancel_job', 'Caution', true],
  ])
})

test('a reminder comes into its caller’s conversation, with no more than its caller’s authority', async () => {
  const { status, output } = await use(
    'schedule_reminder',
    { when: 'in 2 hours', text: 'Call Ann' },
    { authority: 'Peer' },
  )
  const job = onlyJob()
  expect(status).toBe('success')
  expect(output).toMatch(`The reminder is set: [${job.id}] Reminder: Call Ann: `)
  expect(output).toContain('(Europe/Vienna)')
  expect(job).toMatchObject({
    schedule_kind: 'once',
    enabled: true,
    authority: 'Peer',
    created_by: session_id,
    agent_id: 'keel',
    payload_json: JSON.stringify({ action: 'remind', text: 'Call Ann', session_id }),
  })
  expect(job.schedule_expr).toBe(job.next_run_at)
})

test('what is scheduled in a chat is said in that chat, and elsewhere in its session alone', async () => {
  await use('schedule_reminder', { when: 'in 2 hours', text: 'Call Ann' }, { turn_id: 'on-telegram' })
  expect(onlyJob()).toMatchObject({ delivery_mode: 'announce', delivery_channel: 'telegram:42 7' })
  deleteCronJob(store.write, onlyJob().id)
  await use('schedule_reminder', { when: 'in 2 hours', text: 'Call Ann' })
  expect(onlyJob()).toMatchObject({ delivery_mode: 'none', delivery_channel: null })
})

test('a reminder that comes again does so by the clocks of the configured zone', async () => {
  await use('schedule_reminder', { when: 'every day at 9:00', text: 'Drink' })
  expect(onlyJob()).toMatchObject({ schedule_kind: 'cron', schedule_expr: '0 9 * * *', schedule_tz: 'Europe/Vienna' })
})

test.each([
  ['0 9 * * 1-5', { schedule_kind: 'cron', schedule_expr: '0 9 * * 1-5', schedule_tz: 'Asia/Tokyo' }],
  ['*/5 * * * *', { schedule_kind: 'cron', schedule_expr: '*/5 * * * *' }],
  ['every 30m', { schedule_kind: 'every', schedule_every_ms: 1_800_000 }],
  ['every monday at 8:00', { schedule_kind: 'cron', schedule_expr: '0 8 * * 1', schedule_tz: 'Asia/Tokyo' }],
  ['2031-05-01T09:00', { schedule_kind: 'once', next_run_at: '2031-05-01T00:00:00.000Z' }],
])('a job of the agent, %s', async (schedule, expected) => {
  const input = { name: 'Report', schedule, task: 'Write the report', timezone: 'Asia/Tokyo' }
  expect(await use('schedule_job', input)).toMatchObject({ status: 'success' })
  expect(onlyJob()).toMatchObject({
    ...expected,
    name: 'Report',
    payload_json: '{"action":"agent_task","task":"Write the report"}',
    authority: 'SelfGenerated',
  })
})

test.each([
  ['schedule_reminder', { when: 'yesterday', text: 'x' }, `when: 'yesterday' is in the past`],
  ['schedule_reminder', { when: 'someday', text: 'x' }, `when: 'someday' is not understood`],
  ['schedule_reminder', { when: 'every 0 seconds', text: 'x' }, `when: '0ms' is shorter than 1 second`],
  ['schedule_reminder', { when: 'every 59 seconds', text: 'x' }, 'more often than each 60 seconds'],
  ['schedule_job', { name: 'x', schedule: '0,30 * * * * *', task: 'x' }, 'more often than each 60 seconds'],
  ['schedule_job', { name: 'x', schedule: '61 * * * *', task: 'x' }, 'schedule: '],
  ['schedule_job', { name: 'x', schedule: '0 9 * * *', task: 'x', timezone: 'nowhere' }, 'timezone: '],
])('%s says what is wrong with %j', async (name, input, words) => {
  expect(await use(name, input)).toEqual({ status: 'error', output: expect.stringContaining(words) })
  expect(jobs()).toEqual([])
})

test.each([
  ['schedule_reminder', { when: 'in 1 hour', text: ' ' }, 'text'],
  ['schedule_reminder', { when: 'in 1 hour', text: 'x'.repeat(32_769) }, 'must have at most 32768 bytes'],
  ['schedule_job', { name: 'x', schedule: '1h' }, 'task'],
  ['cancel_job', {}, 'id'],
])('%s does not take %j', async (name, input, words) => {
  expect(await use(name, input)).toEqual({ status: 'wrong input', output: expect.stringContaining(words) })
})

test('there is no reminder where there is no conversation', async () => {
  expect(await use('schedule_reminder', { when: 'in 1 hour', text: 'x' }, { session_id: null })).toEqual({
    status: 'error',
    output: 'there is no conversation in which to remind',
  })
})

test('a conversation has a bound of jobs that are still to run, and others have their own', async () => {
  for (let at = 0; at < maxJobsOfSession; at++) await use('schedule_reminder', { when: 'in 1 hour', text: `${at}` })
  const another = { when: 'in 1 hour', text: 'one more' }
  expect(await use('schedule_reminder', another)).toEqual({
    status: 'error',
    output: '50 jobs of this conversation are still to run; cancel one first',
  })
  const elsewhere = newSession(store, 'peer:signal:1')
  expect(await use('schedule_reminder', another, { session_id: elsewhere })).toMatchObject({ status: 'success' })
  pauseCronJob(store.write, jobs()[0]?.id ?? '', null)
  expect(await use('schedule_reminder', another)).toMatchObject({ status: 'success' })
})

test('what the kernel refuses is told', async () => {
  failure = new RuntimeError('conflict', 'there are 10000 cron jobs already')
  expect(await use('schedule_reminder', { when: 'in 1 hour', text: 'x' })).toEqual({
    status: 'error',
    output: 'there are 10000 cron jobs already',
  })
})

test('each sees and cancels what was made in their own conversation, the owner everything', async () => {
  const elsewhere = { session_id: newSession(store, 'peer:signal:1'), authority: 'Peer' } as const
  expect((await use('list_jobs', {})).output).toBe('Nothing is scheduled.')
  await use('schedule_reminder', { when: 'in 1 hour', text: 'Call Ann' })
  await use('schedule_job', { name: 'Report\nof all', schedule: 'every 1h', task: 'x' }, elsewhere)
  const [mine, theirs] = ['Reminder', 'Report'].map((name) => jobs().find((job) => job.name.startsWith(name))?.id ?? '')
  const listed = async (by: Partial<ToolCaller>) => {
    const { output } = await use('list_jobs', {}, by)
    return [mine, theirs].map((id) => output.includes(`[${id}]`))
  }
  expect(await listed({})).toEqual([true, false])
  expect(await listed(elsewhere)).toEqual([false, true])
  expect(await listed({ ...elsewhere, authority: 'Creator' })).toEqual([true, true])
  expect((await use('list_jobs', {}, elsewhere)).output).toMatch(/^- \[\S+\] Report of all: .*; every 3600s$/)

  const missing = (id: string | undefined) => ({
    status: 'error',
    output: `there is no job ${id}; list_jobs tells their ids`,
  })
  expect(await use('cancel_job', { id: mine }, elsewhere)).toEqual(missing(mine))
  expect(await use('cancel_job', { id: 'nobody' })).toEqual(missing('nobody'))
  expect(await use('cancel_job', { id: theirs }, elsewhere)).toMatchObject({ status: 'success' })
  expect(await use('cancel_job', { id: mine }, { ...elsewhere, authority: 'Creator' })).toMatchObject({
    status: 'success',
  })
  expect([mine, theirs].map((id) => findCronJob(store.read, id ?? ''))).toEqual([undefined, undefined])
})
