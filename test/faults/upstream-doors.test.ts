import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Daemon, eventually, startDaemon } from '../support/daemon.ts'
import { type Door, doors } from '../support/doors.ts'
import { closedUpstreamUrl, startUpstream, type Upstream } from '../support/upstream.ts'
import type { UpstreamReply } from '../support/upstream-reply.ts'

vi.setConfig({ maxConcurrency: 12, testTimeout: 60_000 })

const text = 'One two three four five.'
const spareText = 'From the spare.'
const formats = ['openai', 'anthropic'] as const
type Format = (typeof formats)[number]

interface Fault {
  reply: UpstreamReply
  /** Where a stream is asked for, instead of `reply`. */
  streamed?: UpstreamReply
  category: string
  /** Calls to the provider before another is asked. */
  calls: number
  counted: number
  /** What the doors of other APIs answer when nobody else may. */
  status: number
  openaiType?: string
  anthropicType?: string
  /** Nobody listens where it is. */
  isGone?: boolean
}

const serverError = { status: 502, openaiType: 'server_error', anthropicType: 'api_error' }
const tripped = { ...serverError, calls: 1, counted: 0 }

const faults: Record<string, Fault> = {
  'refuses the connection': { reply: {}, isGone: true, category: 'connection', calls: 0, counted: 1, ...serverError },
  hangs: {
    reply: { fault: 'hang' },
    category: 'timeout',
    calls: 1,
    counted: 1,
    status: 504,
    openaiType: 'server_error',
    anthropicType: 'timeout_error',
  },
  'resets the connection': { reply: { fault: 'reset' }, category: 'reset', calls: 3, counted: 3, ...serverError },
  'answers 500': { reply: { status: 500 }, category: 'server', calls: 3, counted: 3, ...serverError },
  'answers 429 with Retry-After': {
    reply: { status: 429, headers: { 'retry-after': '120' } },
    category: 'rate_limit',
    calls: 1,
    counted: 0,
    status: 429,
    openaiType: 'rate_limit_exceeded',
    anthropicType: 'rate_limit_error',
  },
  'does not accept the key': { reply: { status: 403 }, category: 'authentication', ...tripped },
  'wants to be paid': { reply: { status: 402 }, category: 'quota', ...tripped },
  'finds the context too long': {
    reply: {
      status: 400,
      error: { code: 'context_length_exceeded', type: 'invalid_request_error', message: 'maximum context length' },
    },
    category: 'rejected',
    calls: 1,
    counted: 0,
    status: 400,
    openaiType: 'invalid_request_error',
    anthropicType: 'invalid_request_error',
  },
  'tells an error with status 200': {
    reply: { body: { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } } },
    streamed: { fault: 'error_event', error: { type: 'overloaded_error' } },
    category: 'server',
    calls: 3,
    counted: 3,
    ...serverError,
  },
  'sends garbage': {
    reply: { body: '{"choices": [{"mess' },
    category: 'invalid_answer',
    calls: 1,
    counted: 1,
    ...serverError,
  },
}

/** What happens to a stream whose first words are on their way. */
const deaths: Record<string, { reply: UpstreamReply; anthropicType?: string }> = {
  'is reset': { reply: { fault: 'reset' } },
  'ends early': { reply: { fault: 'truncate' } },
  'falls silent': { reply: { fault: 'hang' }, anthropicType: 'timeout_error' },
  'turns to garbage': { reply: { fault: 'garbage' } },
  'tells an error': { reply: { fault: 'error_event', error: { type: 'overloaded_error' } } },
}

interface Case {
  provider: string
  format: Format
  door: Door
  url?: string
}

const cases = new Map<string, Case>()
const replies = new Map<string, UpstreamReply>()

/** Each has a provider of its own, so that they run side by side and none sees another's breaker. */
function caseOf(title: string, format: Format, door: Door, isGone = false): Case {
  const provider = `p${cases.size}`
  const one: Case = { provider, format, door, ...(isGone ? { url: 'gone' } : {}) }
  cases.set(`${title} ${format} ${door.name}`, one)
  return one
}

function matrix<T>(
  table: Record<string, T>,
  some: (door: Door) => boolean,
  isGone: (value: T) => boolean = () => false,
) {
  return Object.entries(table).flatMap(([title, value]) =>
    formats.flatMap((format) =>
      doors
        .filter(some)
        .map((door) => ({ title, at: door.name, value, ...caseOf(title, format, door, isGone(value)) })),
    ),
  )
}

const early = matrix(
  faults,
  () => true,
  ({ isGone }) => isGone === true,
)
const midway = matrix(deaths, ({ streams }) => streams)
const unseen = matrix({ 'is cut in the middle': {} }, ({ streams, isAgent }) => !streams && !isAgent)
const heardLate = matrix(deaths, ({ streams, isAgent }) => !streams && isAgent)
const leaving = matrix({ 'is left by its caller': {} }, () => true)

let keel: Daemon
let upstream: Upstream
let spare: Upstream
let gone: string

const caseOfPath = (path: string) => path.split('/')[1] ?? ''
const callsTo = (provider: string) => upstream.requests.filter(({ path }) => caseOfPath(path) === provider)

beforeAll(async () => {
  upstream = await startUpstream(({ path }) => ({ text, ...replies.get(caseOfPath(path)) }))
  spare = await startUpstream({ text: spareText })
  gone = await closedUpstreamUrl()
  const providers = [...cases.values()].map(
    ({ provider, format, url }) =>
      `[providers.${provider}]\nurl = "${url === 'gone' ? gone : upstream.url}/${provider}"\nformat = "${format}"\nis_local = true\n`,
  )
  keel = await startDaemon({
    config: `[models]
primary = "spare/m"
fallbacks = ["spare/m"]
[models.routing]
mode = "primary"
per_provider_timeout_seconds = 5
[server]
per_ip_rate_limit_requests = 1000000
per_actor_rate_limit_requests = 1000000
[providers.spare]
url = "${spare.url}"
is_local = true
${providers.join('')}`,
  })
}, 60_000)

afterAll(async () => {
  await keel.dispose()
  await Promise.all([upstream.close(), spare.close()])
})

const breakerOf = async (provider: string) => (await keel.client.breaker.getBreakerStatus()).providers[provider]
const resetBreaker = (provider: string) => keel.client.breaker.resetBreaker({ params: { provider } })

async function expectGood({ door, provider }: Pick<Case, 'door' | 'provider'>) {
  const answer = await door.ask(keel, { model: `${provider}/m`, text: 'Are you there?' })
  expect(answer).toMatchObject({
    status: 200,
    text,
    model: `${provider}/m`,
    isDone: true,
    isWhole: true,
    error: undefined,
  })
  expect(await breakerOf(provider)).toMatchObject({ state: 'closed', blocked: false, failure_count: 0 })
}

function costsOf(model: string): { estimated: number; tokens_out: number }[] {
  const database = new DatabaseSync(join(keel.home, 'keel.db'), { readOnly: true })
  const rows = database
    .prepare('SELECT estimated, tokens_out FROM inference_costs WHERE model = ? ORDER BY created_at, rowid')
    .all(model)
  database.close()
  return rows as { estimated: number; tokens_out: number }[]
}

/** The partial answer is on the account, and as an estimate. */
async function expectEstimate(model: string) {
  await eventually('the cost of what was said', () => costsOf(model).length === 2)
  expect(costsOf(model)).toMatchObject([{ estimated: 0 }, { estimated: 1, tokens_out: expect.any(Number) }])
}

describe.concurrent('an upstream that, before its first word,', () => {
  test.each(early)('$title ($format, $at)', async ({ value: fault, ...one }) => {
    const { door, provider, format } = one
    const model = `${provider}/m`
    if (!fault.isGone) await expectGood(one)

    replies.set(provider, (door.streams || door.isAgent) && fault.streamed ? fault.streamed : fault.reply)
    const before = callsTo(provider).length
    const answer = await door.ask(keel, { model, text: 'Now?' })
    expect(answer).toMatchObject({ status: 200, text: spareText, model: 'spare/m', isDone: true, isWhole: true })
    expect(callsTo(provider).length - before).toBe(fault.calls)
    const isSticky = ['authentication', 'quota'].includes(fault.category)
    const isOpen = isSticky || fault.counted >= 3 || fault.category === 'rate_limit'
    const breaker = await breakerOf(provider)
    expect(breaker).toMatchObject({
      state: isOpen ? 'open' : 'closed',
      blocked: isOpen,
      failure_count: fault.counted,
      last_error: fault.category === 'rejected' ? null : fault.category,
      auth_tripped: fault.category === 'authentication',
      credit_tripped: fault.category === 'quota',
    })
    const waitMs = breaker?.retry_at ? Date.parse(breaker.retry_at) - Date.now() : undefined
    if (!isOpen || isSticky) expect(waitMs).toBeUndefined()
    else expect(waitMs).toBeLessThanOrEqual(fault.category === 'rate_limit' ? 60_000 : 72_000)

    const [{ path }] = [callsTo(provider).at(-1) ?? { path: '' }]
    if (!fault.isGone) expect(path).toMatch(format === 'openai' ? /chat\/completions$/ : /messages$/)
    if (isOpen) {
      const calls = callsTo(provider).length
      expect(await door.ask(keel, { model, text: 'And now?' })).toMatchObject({ text: spareText, model: 'spare/m' })
      expect(callsTo(provider)).toHaveLength(calls)
    }

    if (!door.isAgent) {
      await resetBreaker(provider)
      const refused = await door.ask(keel, { model, text: 'You alone?', fallback: false })
      const isAnthropic = door.name.startsWith('/anthropic')
      expect(refused).toMatchObject({ status: fault.status, isDone: false, isWhole: true, text: '' })
      expect(refused.error).toMatchObject({
        type: isAnthropic ? fault.anthropicType : fault.openaiType,
        message: expect.any(String),
      })
      expect(refused.headers.get('content-type')).toMatch(/^application\/json/)
      expect(refused.headers.get('retry-after')).toBe(fault.status === 429 ? '60' : null)
    }

    replies.delete(provider)
    await resetBreaker(provider)
    if (fault.isGone) expect(await breakerOf(provider)).toMatchObject({ state: 'closed', last_error: null })
    else await expectGood(one)
  })
})

describe.concurrent('a stream that, after its first words,', () => {
  test.each(midway)('$title ($format, $at)', async ({ value: { reply, anthropicType = 'api_error' }, ...one }) => {
    const { door, provider } = one
    const model = `${provider}/m`
    await expectGood(one)
    replies.set(provider, { ...reply, afterChunks: 2 })
    const answer = await door.ask(keel, { model, text: `Go on, ${provider}!` })
    expect(callsTo(provider)).toHaveLength(2)
    if (door.isAgent) {
      expect(answer).toMatchObject({
        status: 200,
        isDone: true,
        isWhole: true,
        error: { message: 'upstream provider error' },
      })
      expect(answer.text).toMatch(/^One two\s+I am sorry/)
    } else {
      expect(answer).toMatchObject({ status: 200, model, text: 'One two ', isDone: false, isWhole: false })
      const isAnthropic = door.name.startsWith('/anthropic')
      const message = expect.stringMatching(/provider/)
      expect(answer.error).toEqual(
        isAnthropic ? { type: anthropicType, message } : { type: 'server_error', message, param: null, code: null },
      )
    }
    expect(spare.requests.filter(({ body }) => JSON.stringify(body).includes(`Go on, ${provider}!`))).toEqual([])
    await expectEstimate(model)
    expect(await breakerOf(provider)).toMatchObject({ state: 'closed', failure_count: 1 })
    replies.delete(provider)
    await expectGood(one)
  })
})

describe.concurrent('an answer that nobody has seen yet and that', () => {
  test.each(unseen)('$title is asked for again, then elsewhere ($format, $at)', async (one) => {
    const { door, provider } = one
    await expectGood(one)
    replies.set(provider, {
      raw: (connection) => {
        connection.end('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{"id": ')
      },
    })
    const answer = await door.ask(keel, { model: `${provider}/m`, text: 'Whole?' })
    expect(answer).toMatchObject({ status: 200, text: spareText, model: 'spare/m' })
    expect(callsTo(provider)).toHaveLength(1 + 3)
    replies.delete(provider)
    await resetBreaker(provider)
    await expectGood(one)
  })

  test.each(heardLate)('$title is told as far as it came ($format, $at)', async ({ value: { reply }, ...one }) => {
    const { door, provider } = one
    await expectGood(one)
    replies.set(provider, { ...reply, afterChunks: 2 })
    const answer = await door.ask(keel, { model: `${provider}/m`, text: 'Go on!' })
    expect(answer).toMatchObject({ status: 200, text: expect.stringMatching(/^One two\s+I am sorry/) })
    await expectEstimate(`${provider}/m`)
    replies.delete(provider)
    await expectGood(one)
  })
})

describe.concurrent('an upstream that', () => {
  test.each(leaving)('$title hears of it, and is not blamed ($format, $at)', async (one) => {
    const { door, provider } = one
    await expectGood(one)
    replies.set(provider, { fault: 'hang', afterChunks: door.streams ? 2 : 0 })
    const hangUp = new AbortController()
    const answer = door.ask(keel, {
      model: `${provider}/m`,
      text: 'Never mind.',
      signal: hangUp.signal,
      ...(door.streams && !door.isAgent ? { onFirstPiece: () => hangUp.abort() } : {}),
    })
    answer.catch(() => {})
    if (!door.streams || door.isAgent) {
      await eventually('the call', () => callsTo(provider).length === 2)
      hangUp.abort()
    }
    await answer.catch(() => {})
    expect(await callsTo(provider)[1]?.ended).toBe('aborted')
    expect(await breakerOf(provider)).toMatchObject({ state: 'closed', failure_count: 0, last_error: null })
    replies.delete(provider)
    await expectGood(one)
  })
})
