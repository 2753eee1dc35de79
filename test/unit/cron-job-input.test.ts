import { expect, test } from 'vitest'
import { readJobChange, readNewJob } from '#kernel/scheduler/job-input.ts'
import { checkPayload, payloadOf } from '#kernel/scheduler/payload.ts'
import type { CronJobRow } from '#kernel/store/cron-jobs.ts'
import { timestamp } from '#sdk/ids.ts'
import { addJob, firstDue } from '../support/cron-scene.ts'
import { temporaryStore } from '../support/temp-store.ts'

const now = Date.parse('2031-05-01T09:59:30.000Z')
const read = (body: Partial<Parameters<typeof readNewJob>[0]>) =>
  readNewJob({ name: 'A job', schedule_kind: 'cron', schedule_expr: '0 * * * *', ...body }, { agentId: 'keel', now })

function stored(given: Parameters<typeof addJob>[1] = {}): CronJobRow {
  return addJob(temporaryStore().store, given)
}

test('a job is what it says, and otherwise what every job is', () => {
  expect(read({})).toEqual({
    name: 'A job',
    description: null,
    enabled: true,
    schedule_kind: 'cron',
    schedule_expr: '0 * * * *',
    schedule_every_ms: null,
    schedule_tz: 'UTC',
    schedule_json: '{"kind":"cron","expr":"0 * * * *","tz":"UTC"}',
    agent_id: 'keel',
    session_target: 'main',
    payload_json: '{"action":"log","message":"scheduled job: A job"}',
    delivery_mode: 'none',
    delivery_channel: null,
    catch_up: 'once',
    overlap: 'forbid',
    after_crash: 'retry',
    max_retries: 3,
    timeout_seconds: 600,
    next_run_at: '2031-05-01T10:00:00.000Z',
  })
  expect(read({ agent_id: 'another', max_retries: 0, overlap: 'allow' })).toMatchObject({
    agent_id: 'another',
    max_retries: 0,
    overlap: 'allow',
  })
})

test.each([
  [{ schedule_kind: 'interval', schedule_expr: '30' }, 'every', '30s', '2031-05-01T10:00:00.000Z'],
  [{ schedule_kind: 'every', schedule_expr: '45s' }, 'every', '45s', '2031-05-01T10:00:15.000Z'],
  [
    { schedule_kind: 'at', schedule_expr: '2031-05-01 12:00', schedule_tz: '+02:00' },
    'once',
    '2031-05-01 12:00',
    '2031-05-01T10:00:00.000Z',
  ],
  [{ schedule_expr: 'CRON_TZ=Asia/Tokyo 0 9 * * *' }, 'cron', '0 9 * * *', '2031-05-02T00:00:00.000Z'],
  [{ schedule_expr: undefined, schedule: '0 12 * * *' }, 'cron', '0 12 * * *', '2031-05-01T12:00:00.000Z'],
] as const)('%j', (body, kind, expr, next) => {
  expect(read(body)).toMatchObject({ schedule_kind: kind, schedule_expr: expr, next_run_at: next })
})

test('the zone that an expression names is the job’s', () => {
  expect(read({ schedule_expr: 'TZ=Asia/Tokyo 0 9 * * *', schedule_tz: 'UTC' }).schedule_tz).toBe('Asia/Tokyo')
})

test('a tool is not called again after a crash unless its job says so', () => {
  const payload_json = { action: 'tool_call', tool: 'echo' }
  expect(read({ payload_json }).after_crash).toBe('fail')
  expect(read({ payload_json, after_crash: 'retry' }).after_crash).toBe('retry')
  const job = stored()
  expect(readJobChange({ payload_json }, job, now).after_crash).toBe('fail')
  expect(readJobChange({ name: 'Another' }, { ...job, after_crash: 'fail' }, now).after_crash).toBe('fail')
})

test.each([
  ['{', 'payload_json must be valid JSON'],
  ['null', 'payload_json must be a JSON object'],
  ['"text"', 'payload_json must be a JSON object'],
  [{ action: 7 }, 'payload_json.action: must be a string'],
  [{ message: 'no action' }, 'payload_json.action: is required'],
  [{ action: 'agent_task', task: '  ' }, 'payload_json.task'],
  [{ action: 'agent_task', task: ['a', 'list'] }, 'payload_json.task: must be a string'],
  [{ action: 'remind', text: 'Drink' }, 'payload_json.session_id: is required'],
  [{ action: 'tool_call', tool: 'echo', input: 'text' }, 'payload_json.input'],
  [{ action: 'http', url: 'nowhere' }, 'payload_json.url'],
  [{ action: 'http', url: 'http://example.org', headers: { 'bad header': 'x' } }, 'payload_json.headers'],
  [{ action: 'http', url: 'http://example.org', headers: { x: 'a\r\nb: c' } }, 'payload_json.headers.x'],
  [{ action: 'log' }, 'payload_json.message: is required'],
  [{ action: 'expire_sessions', ttl_seconds: 1 }, 'payload_json.ttl_seconds'],
  [{ action: 'record_transaction' }, 'payload_json.amount: is required'],
  ['{"action":"record_transaction","amount":1e999}', 'payload_json.amount'],
  [{ action: 'backup', keep: 0 }, 'payload_json.keep'],
  [{ action: 'log', message: 'x'.repeat(70_000) }, 'payload_json exceeds max length (65536)'],
])('the payload %j is refused, naming the field', (payload_json, words) => {
  expect(() => read({ payload_json: payload_json as string })).toThrow(expect.objectContaining({ kind: 'invalid' }))
  expect(() => read({ payload_json: payload_json as string })).toThrow(words)
})

test('a payload of an action that is not known yet is kept as it is', () => {
  const payload_json = { action: 'fly', to: 'the moon' }
  expect(read({ payload_json }).payload_json).toBe(JSON.stringify(payload_json))
  expect(() => payloadOf({ payload_json: JSON.stringify(payload_json), description: null })).toThrow(
    'unknown action: fly',
  )
})

test.each([
  [{ action: 'agent_task', task: 'a', prompt: 'b', message: 'c' }, 'a'],
  [{ action: 'agent_task', prompt: 'b', message: 'c' }, 'b'],
  [{ action: 'agent_task', message: 'c' }, 'c'],
  [{ action: 'agent_task' }, 'described'],
])('%j is the task %s', (payload, task) => {
  checkPayload(payload, 'described')
  expect(payloadOf({ payload_json: JSON.stringify(payload), description: 'described' })).toMatchObject({ task })
})

test('sent back as it is, a job does not change', () => {
  const job = stored()
  const { name, description, schedule_expr, payload_json, agent_id, enabled } = job
  const body = { name, description, schedule_kind: 'interval', schedule_expr, payload_json, agent_id, enabled } as const
  expect(readJobChange(body, job, now)).toEqual(job)
})

test('a job that becomes due anew is so from now on; one that is due goes on being so', () => {
  const job = stored()
  expect(readJobChange({ name: 'Another' }, job, firstDue + 1).next_run_at).toBe(timestamp(firstDue))
  expect(readJobChange({ enabled: false }, job, now).next_run_at).toBeNull()
  const paused = { ...job, enabled: false, next_run_at: null }
  expect(readJobChange({ name: 'Another' }, paused, now).next_run_at).toBeNull()
  expect(readJobChange({ enabled: true }, paused, now).next_run_at).toBe(timestamp(now + 3_600_000))
  expect(readJobChange({ schedule_expr: '2h' }, paused, now).next_run_at).toBeNull()
  expect(readJobChange({ schedule_expr: '2h' }, job, now).next_run_at).toBe(timestamp(now + 7_200_000))
})
