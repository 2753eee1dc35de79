import { expect, test } from 'vitest'
import { type FakeCall, fakeKeel, keel } from '../support/cli-run.ts'

const moment = '2025-01-31T09:15:02.123Z'
const clock = /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/.source

const job = (id: string, name: string, fields: Record<string, unknown> = {}) => ({
  id,
  name,
  description: null,
  enabled: true,
  schedule_kind: 'cron',
  schedule_expr: '0 9 * * 1-5',
  agent_id: 'keel',
  payload_json: '{"action":"noop"}',
  last_run_at: null,
  last_status: null,
  consecutive_errors: 0,
  next_run_at: moment,
  ...fields,
})

const detail = (id: string, name: string, fields: Record<string, unknown> = {}) => ({
  ...job(id, name),
  schedule_every_ms: null,
  schedule_tz: 'Europe/Vienna',
  session_target: 'main',
  delivery_mode: 'none',
  delivery_channel: null,
  last_duration_ms: null,
  last_error: null,
  timeout_seconds: 600,
  max_retries: 3,
  catch_up: 'once',
  overlap: 'forbid',
  after_crash: 'retry',
  authority: 'SelfGenerated',
  created_by: 'api',
  created_at: moment,
  updated_at: moment,
  upcoming: ['2026-12-01T08:00:00.000Z', '2026-12-02T08:00:00.000Z', '2026-12-03T08:00:00.000Z', moment],
  ...fields,
})

const run = (id: string, fields: Record<string, unknown> = {}) => ({
  id,
  job_id: 'a1',
  job_name: 'report',
  status: 'success',
  duration_ms: 1_500,
  error: null,
  output_text: 'first line\nsecond line',
  created_at: moment,
  day: '2025-01-31',
  trigger: 'schedule',
  scheduled_for: moment,
  started_at: moment,
  finished_at: moment,
  attempt: 1,
  missed_count: null,
  missed_until: null,
  not_before: null,
  turn_id: null,
  session_id: null,
  ...fields,
})

const jobs = [
  job('a1-1', 'report'),
  job('a1-2', 'twin', { schedule_kind: 'every', schedule_expr: '5m', enabled: false, next_run_at: null }),
  job('b2-3', 'twin', {
    enabled: false,
    last_run_at: moment,
    last_status: 'paused_errors',
    consecutive_errors: 10,
  }),
  job('b2-4', 'a1-1-name', { enabled: false, last_status: 'success' }),
]

/** A Keel with these jobs; `at` runs `keel cron …` against it. */
async function scene(routes: Record<string, unknown> = {}, name = 'cron') {
  const { url, calls } = await fakeKeel({ 'GET /api/cron/jobs': { jobs }, ...routes })
  const at = (...words: string[]) => keel(['--url', url, '--api-key', 'k', name, ...words])
  return { at, calls, sent: () => calls.filter(({ route }) => !route.startsWith('GET ')) }
}

test('list shows when each is due and how it did', async () => {
  const { at } = await scene()
  const lines = (await at('list')).stdout.split('\n')
  expect(lines[0]).toMatch(/^NAME +SCHEDULE +NEXT +LAST +STATUS +ERRORS +ENABLED$/)
  expect(lines[1]).toMatch(new RegExp(`^report +0 9 \\* \\* 1-5 +${clock} +– +pending +0 +yes$`))
  expect(lines[2]).toMatch(/^twin +every 5m +– +– +pending +0 +no$/)
  expect(lines[3]).toMatch(new RegExp(`^twin +0 9 \\* \\* 1-5 +– +${clock} +paused_errors +10 +no$`))
  expect(JSON.parse((await at('list', '--json')).stdout)).toEqual({ jobs })
  const { at: empty } = await scene({ 'GET /api/cron/jobs': { jobs: [] } })
  expect((await empty('list')).stdout).toBe('There are no jobs. Make one with: keel cron add NAME\n')
})

test('a job is named by id, name or the beginning of its id, and what may be several is refused with their ids', async () => {
  const { at, calls } = await scene({
    'POST /api/cron/jobs/a1-1/pause': { paused: true, id: 'a1-1' },
    'POST /api/cron/jobs/a1-2/pause': { paused: true, id: 'a1-2' },
    'POST /api/cron/jobs/b2-4/pause': { paused: true, id: 'b2-4' },
  })
  expect((await at('pause', 'report')).stdout).toBe('report is paused.\n')
  for (const [named, id] of [
    ['a1-1', 'a1-1'],
    ['a1-1-name', 'b2-4'],
    ['b2-4', 'b2-4'],
    ['a1-2', 'a1-2'],
  ] as const) {
    expect((await at('pause', named)).code).toBe(0)
    expect(calls.at(-1)?.route).toBe(`POST /api/cron/jobs/${id}/pause`)
  }
  expect(await at('pause', 'twin')).toMatchObject({
    code: 1,
    stderr: '"twin" may be 2 jobs, say which by its id: a1-2 (twin), b2-3 (twin)\n',
  })
  expect((await at('pause', 'a1')).stderr).toBe('"a1" may be 2 jobs, say which by its id: a1-1 (report), a1-2 (twin)\n')
  for (const named of ['nothing', ''])
    expect(await at('pause', named)).toMatchObject({
      code: 1,
      stderr: `There is no job "${named}"; keel cron list shows them\n`,
    })
})

test.each([
  [
    ['--cron', '0 9 * * 1-5', '--tz', 'Europe/Vienna', '--task', 'report'],
    {
      schedule_kind: 'cron',
      schedule_expr: '0 9 * * 1-5',
      schedule_tz: 'Europe/Vienna',
      payload_json: { action: 'agent_task', task: 'report' },
    },
  ],
  [
    ['--every', '5m', '--tool', 'read_file', '--input', '{"path":"a"}', '--overlap', 'queue', '--after-crash', 'fail'],
    {
      schedule_kind: 'every',
      schedule_expr: '5m',
      payload_json: { action: 'tool_call', tool: 'read_file', input: { path: 'a' } },
      overlap: 'queue',
      after_crash: 'fail',
    },
  ],
  [
    ['--at', '2026-12-01T09:00', '--url', 'https://example.org/x', '--method', 'PUT', '--body', 'hello'].concat(
      ['--header', 'X-One: 1:2', '--header', 'x-two:3'],
      ['--catch-up', 'all', '--timeout', '30', '--retries', '0', '--isolated', '--deliver', 'home', '--disabled'],
    ),
    {
      schedule_kind: 'once',
      schedule_expr: '2026-12-01T09:00',
      payload_json: {
        action: 'http',
        url: 'https://example.org/x',
        method: 'PUT',
        headers: { 'X-One': '1:2', 'x-two': '3' },
        body: 'hello',
      },
      catch_up: 'all',
      timeout_seconds: 30,
      max_retries: 0,
      session_target: 'isolated',
      enabled: false,
      delivery_mode: 'announce',
      delivery_channel: 'home',
    },
  ],
  [
    ['--every', '1h', '--payload', '{"action":"backup","keep":3}'],
    { schedule_kind: 'every', schedule_expr: '1h', payload_json: { action: 'backup', keep: 3 } },
  ],
])('add %j sends what was said and nothing else', async (words, body) => {
  const { at, sent } = await scene({
    'POST /api/cron/jobs': { job_id: 'n1', id: 'n1' },
    'GET /api/cron/jobs/n1': detail('n1', 'morning'),
  })
  const { code, stdout } = await at('add', 'morning', ...words)
  expect(sent().map((call) => call.body)).toEqual([{ name: 'morning', ...body }])
  expect([code, stdout]).toEqual([
    0,
    `morning is made (n1).\n${[1, 2, 3].map((day) => `  2026-12-0${day} 09:00:00 Europe/Vienna\n`).join('')}`,
  ])
})

test.each([
  [['--task', 'x'], /^Say when it is due: /],
  [['--every', '5m'], /^Say what it does: /],
  [['--every', '5m', '--at', '2030-01-01', '--task', 'x'], /^Say one of --cron, --every and --at$/m],
  [['--every', '5m', '--task', 'x', '--url', 'https://x.org'], /^Say one of --task, --tool, --url and --payload$/m],
  [['--every', '5m', '--task', 'x', '--input', '{}'], /^--input needs --tool$/m],
  [['--every', '5m', '--task', 'x', '--body', 'y'], /^--method, --header and --body need --url$/m],
  [['--every', '5m', '--tool', 'x', '--input', '[1]'], /^--input is not a JSON object$/m],
  [['--every', '5m', '--payload', '{'], /^--payload is not JSON: /],
  [
    ['--every', '5m', '--url', 'https://x.org', '--header', 'nothing'],
    /^--header: expected NAME:VALUE, got "nothing"$/m,
  ],
  [['--every', '5m', '--task', 'x', '--overlap', 'twice'], /Allowed choices are forbid, queue, replace, allow/],
  [['--every', '5m', '--task', 'x', '--retries', '1.5'], /Expected a whole number/],
])('add %j is refused before anything is sent', async (words, expected) => {
  const { at, calls } = await scene()
  const { code, stderr } = await at('add', 'x', ...words)
  expect(code).toBe(1)
  expect(stderr).toMatch(expected)
  expect(calls).toEqual([])
})

test('what the server finds wrong with a schedule is printed as it says it', async () => {
  const { at } = await scene({
    'POST /api/cron/jobs': (_: FakeCall, response: import('node:http').ServerResponse) => {
      response
        .writeHead(400, { 'content-type': 'application/json' })
        .end('{"error":"schedule_expr: the minute 61 is not between 0 and 59"}')
    },
  })
  expect(await at('add', 'x', '--cron', '61 * * * *', '--task', 'y')).toMatchObject({
    code: 1,
    stderr: 'schedule_expr: the minute 61 is not between 0 and 59\n',
  })
})

test('edit changes what is told alone', async () => {
  const { at, sent } = await scene({
    'PUT /api/cron/jobs/a1-1': { updated: true, id: 'a1-1' },
    'GET /api/cron/jobs/a1-1': detail('a1-1', 'daily', { enabled: false, upcoming: [] }),
  })
  const { stdout } = await at('edit', 'report', '--name', 'daily', '--deliver', 'none', '--no-isolated')
  expect(sent()[0]?.body).toEqual({
    name: 'daily',
    delivery_mode: 'none',
    delivery_channel: null,
    session_target: 'main',
  })
  expect(stdout).toBe('daily is changed (a1-1), and is paused.\nIt is never due.\n')
  await at('edit', 'report', '--every', '10m')
  expect(sent()[1]?.body).toEqual({ schedule_kind: 'every', schedule_expr: '10m' })
  expect(await at('edit', 'report')).toMatchObject({ code: 1, stderr: expect.stringMatching(/^Say what is to change/) })
})

test('show prints every field, the next times in the zone of the job, and the payload with nothing hidden', async () => {
  const { at } = await scene({
    'GET /api/cron/jobs/a1-1': detail('a1-1', 'rep\u001b[2Jort', {
      payload_json: '{"action":"log","message":"a\u202eb"}',
      last_error: 'it\nfailed',
    }),
  })
  const { stdout } = await at('show', 'report')
  expect(stdout).toMatch(/^id +a1-1\nname +report\n/)
  expect(stdout).toMatch(/last_error +it⏎failed\n/)
  expect(stdout).toMatch(/overlap +forbid\n/)
  expect(stdout).toMatch(/due +2026-12-01 09:00:00 Europe\/Vienna\n/)
  expect(stdout).toContain('"message": "a\\u202eb"')
})

test('run waits, prints the output and ends with 1 where it failed', async () => {
  const answer = { job_id: 'a1-1', run_id: 'r', status: 'success', error: null, output_text: 'all well' }
  const { at } = await scene({
    'POST /api/cron/jobs/a1-1/run': answer,
    'POST /api/cron/jobs/a1-2/run': { ...answer, status: 'error', error: 'the host is away', output_text: null },
  })
  expect(await at('run', 'report')).toEqual({ code: 0, stdout: 'all well\n', stderr: '' })
  expect(await at('run', 'a1-2')).toEqual({ code: 1, stdout: '', stderr: 'the host is away\n' })
  const json = await at('run', 'a1-2', '--json')
  expect([json.code, JSON.parse(json.stdout).error]).toEqual([1, 'the host is away'])
})

test('resume and rm', async () => {
  const { at, sent } = await scene({
    'POST /api/cron/jobs/a1-2/resume': { resumed: true, id: 'a1-2', next_run_at: moment },
    'DELETE /api/cron/jobs/a1-1': { deleted: true, id: 'a1-1' },
  })
  expect((await at('resume', 'a1-2')).stdout).toMatch(new RegExp(`^twin runs again, next at ${clock}\\.\n$`))
  expect((await at('rm', 'report')).stdout).toBe('report and the record of its runs are removed.\n')
  expect(sent().map(({ route }) => route)).toEqual(['POST /api/cron/jobs/a1-2/resume', 'DELETE /api/cron/jobs/a1-1'])
})

test('schedule recover lets the jobs run again that were paused for their errors, and no others', async () => {
  const { at, sent } = await scene(
    { 'POST /api/cron/jobs/b2-3/resume': { resumed: true, id: 'b2-3', next_run_at: moment } },
    'schedule',
  )
  expect((await at('recover')).stdout).toBe('twin runs again (was paused_errors).\n')
  expect((await at('recover', 'b2-3', '--json')).stdout).toBe(
    '{"recovered":[{"id":"b2-3","name":"twin","last_status":"paused_errors"}]}\n',
  )
  expect((await at('recover', 'report')).stdout).toBe('No job was paused for its errors.\n')
  expect(sent().map(({ route }) => route)).toEqual(Array(2).fill('POST /api/cron/jobs/b2-3/resume'))
})

test('runs shows what came of each, and asks for what is told', async () => {
  const runs = [
    run('r1'),
    run('r2', { status: 'error', duration_ms: 20, attempt: 4, error: 'HTTP 500\nbody', output_text: 'x' }),
    run('r3', {
      status: 'skipped',
      trigger: 'catch_up',
      duration_ms: null,
      attempt: 0,
      error: 'older than the window',
      output_text: null,
      missed_count: 12,
    }),
  ]
  const { at, calls } = await scene({ 'GET /api/cron/runs': { runs } })
  const lines = (await at('runs')).stdout.split('\n')
  expect(calls.at(-1)?.url).toBe('/api/cron/runs?limit=20')
  expect(lines[0]).toMatch(/^JOB +STATUS +TRIGGER +DUE +TOOK +ATTEMPT +OUTPUT$/)
  expect(lines[1]).toMatch(new RegExp(`^report +success +schedule +${clock} +1\\.5 s +1 +first line$`))
  expect(lines[2]).toMatch(new RegExp(`^report +error +schedule +${clock} +20 ms +4 +HTTP 500$`))
  expect(lines[3]).toMatch(new RegExp(`^report +skipped +catch_up +${clock} +– +0 +12 missed: older than the window$`))
  await at('runs', '--failed', '-n', '3', '--job', 'report')
  expect(new URL(calls.at(-1)?.url ?? '', 'http://x').searchParams.toString()).toBe('job_id=a1-1&limit=3&status=error')
})

test('next shows the times in the zone that is asked for', async () => {
  const { at, calls } = await scene({
    'POST /api/cron/preview': { times: ['2026-03-29T01:00:00.000Z', '2026-03-30T00:30:00.000Z'] },
  })
  expect((await at('next', '30 2 * * *', '--tz', 'Europe/Vienna', '-n', '2')).stdout).toBe(
    '2026-03-29 03:00:00 Europe/Vienna\n2026-03-30 02:30:00 Europe/Vienna\n',
  )
  expect(calls.at(-1)?.body).toEqual({
    schedule_kind: 'cron',
    schedule_expr: '30 2 * * *',
    schedule_tz: 'Europe/Vienna',
    count: 2,
  })
  expect((await at('next', '30 2 * * *')).stdout).toMatch(/^2026-03-29 01:00:00 UTC\n/)
})
