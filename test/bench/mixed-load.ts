import { setTimeout as delay } from 'node:timers/promises'
import { Agent, type Dispatcher, request } from 'undici'
import type { Daemon } from '../support/daemon.ts'
import { seededRandom } from '../support/seeded-random.ts'
import type { UpstreamRequest } from '../support/upstream.ts'
import type { UpstreamReply } from '../support/upstream-reply.ts'

/** What every question is answered with, streamed in as many pieces as it has words. */
export const mixedAnswer = 'Paris is the capital.'
/** The kind of question that needs the tools service. */
export const toolChat = 'chat with a tool'
const upstreamDelayMs = 20
const pieceDelayMs = 20
/** The longest pause of a caller before its next request: callers in step would make a load of bursts. */
const maxPauseMs = 50
/** No request takes so long unless it is lost. */
const lostMs = 30_000

const gets = ['/api/health', '/api/services', '/api/sessions', '/api/agent/status', '/api/breaker/status', '/v1/models']

/** An upstream whose model uses a tool first when it is asked to. */
export function mixedModel({ body }: UpstreamRequest): UpstreamReply {
  const last = (body.messages as { role: string; content: string }[]).at(-1)
  if (last?.role === 'user' && last.content.includes('use a tool'))
    return { toolCalls: [{ name: 'list_directory', arguments: '{}' }] }
  return { text: mixedAnswer, delayMs: upstreamDelayMs, chunkDelayMs: pieceDelayMs }
}

/**
 * `broken`: a stream that had begun was ended by an error event. `failed`: anything else that is not the whole, right
 * answer, such as a stream that was cut without a word.
 */
export type Outcome = 'ok' | 'broken' | 'failed'

export interface Errand {
  kind: string
  outcome: Outcome
  /** From the question to the last byte, in milliseconds. */
  ms: number
  /** By `performance.now()`. */
  endedAt: number
  /** What was wrong. */
  why?: string
}

export interface MixedLoad {
  /** What was asked and answered so far. */
  errands: Errand[]
  /** Lets each caller finish what it does. */
  stop(): Promise<void>
}

interface Heard {
  status: number
  text: string
  /** Why nothing came after that text; a stream that breaks says so and ends its connection. */
  cut?: unknown
}

type Verdict = Pick<Errand, 'outcome' | 'why'>
type Send = (path: string, body?: unknown) => Promise<Heard>

export interface MixedLoadOptions {
  connections: number
  seed: number
  /** Kinds that are not asked. */
  without?: readonly string[]
}

/** So many callers, each on a connection and in a session of its own, one request after the other, of every kind in turn. */
export async function startMixedLoad(
  { url, apiKey, client }: Pick<Daemon, 'url' | 'apiKey' | 'client'>,
  { connections, seed, without = [] }: MixedLoadOptions,
): Promise<MixedLoad> {
  const dispatcher = new Agent({ connections, pipelining: 1, headersTimeout: lostMs, bodyTimeout: lostMs })
  const random = seededRandom(seed)
  const errands: Errand[] = []
  let over = false

  const send: Send = async (path, body) => {
    const answer: Dispatcher.ResponseData = await request(url + path, {
      dispatcher,
      method: body === undefined ? 'GET' : 'POST',
      headers: { 'x-api-key': apiKey, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const heard: Heard = { status: answer.statusCode, text: '' }
    const decoder = new TextDecoder()
    try {
      for await (const bytes of answer.body) heard.text += decoder.decode(bytes, { stream: true })
    } catch (thrown) {
      heard.cut = thrown
    }
    return heard
  }

  async function keepAsking(caller: number) {
    const { id } = await client.sessions.createSession({ body: { nickname: `Caller ${caller}` } })
    const kinds = Object.entries(kindsFor(id, send)).filter(([kind]) => !without.includes(kind))
    for (let n = caller; !over; n++) {
      const [kind, ask] = kinds[n % kinds.length] ?? kinds[0] ?? []
      if (!kind || !ask) return
      const askedAt = performance.now()
      const verdict = await ask(n).catch((thrown: unknown) => failed(String(thrown)))
      const endedAt = performance.now()
      errands.push({ kind, ...verdict, ms: endedAt - askedAt, endedAt })
      await delay(random() * maxPauseMs)
    }
  }

  const callers = Promise.all(Array.from({ length: connections }, (_, caller) => keepAsking(caller)))
  // A failure is told by stop(); until then it must not end the bench.
  callers.catch(() => {})
  let stopped: Promise<void> | undefined
  return {
    errands,
    stop() {
      over = true
      stopped ??= callers.then(() => dispatcher.close())
      return stopped
    },
  }
}

function kindsFor(session_id: string, send: Send): Record<string, (n: number) => Promise<Verdict>> {
  const message = (content: string) => ({ content, session_id, no_cache: true })
  const completion = (n: number, stream: boolean) => ({
    model: 'mock/test-model',
    messages: [{ role: 'user', content: `Question ${n}: what is the capital of France?` }],
    stream,
  })
  const get = async (n: number) => judgeJson(await send(gets[n % gets.length] ?? '/api/health'), () => undefined)
  return {
    get,
    chat: async (n) => judgeJson(await send('/api/agent/message', message(`question ${n}`)), contentOf),
    'get, again': (n) => get(n + 1),
    [toolChat]: async (n) =>
      judgeJson(await send('/api/agent/message', message(`question ${n}: use a tool`)), (answer) => {
        const { tool_calls } = answer as { tool_calls: { status: string }[] }
        return tool_calls.map(({ status }) => status).join() === 'success'
          ? contentOf(answer)
          : JSON.stringify(tool_calls)
      }),
    completion: async (n) =>
      judgeJson(await send('/v1/chat/completions', completion(n, false)), (answer) => {
        const { choices } = answer as { choices: { message: { content: string } }[] }
        return choices[0]?.message.content
      }),
    'chat, streamed': async (n) =>
      judgeStream(await send('/api/agent/message/stream', message(`question ${n}`)), (event) => {
        if (event.type === 'content_replaced') return { whole: String(event.content) }
        return event.type === 'chunk' ? { delta: String(event.delta) } : {}
      }),
    'completion, streamed': async (n) =>
      judgeStream(await send('/v1/chat/completions', completion(n, true)), (event) => {
        const [choice] = (event.choices ?? []) as { delta?: { content?: string } }[]
        return { delta: choice?.delta?.content ?? '' }
      }),
  }
}

function contentOf(answer: unknown): string {
  return String((answer as { content?: unknown }).content)
}

function failed(why: string): Verdict {
  return { outcome: 'failed', why }
}

/** `contentOf` finds the answer's text; `undefined` where any answer will do. */
function judgeJson({ status, text, cut }: Heard, contentOf: (answer: unknown) => string | undefined): Verdict {
  if (status !== 200 || cut) return failed(`${status} ${text} ${cut}`)
  const content = contentOf(JSON.parse(text))
  return content === undefined || content === mixedAnswer ? { outcome: 'ok' } : failed(content)
}

function judgeStream(
  { status, text, cut }: Heard,
  read: (event: Record<string, unknown>) => { delta?: string; whole?: string },
): Verdict {
  if (status !== 200) return failed(`${status} ${text}`)
  let heard = ''
  let hasBegun = false
  for (const block of text.split('\n\n')) {
    const data = /^data: (.*)$/m.exec(block)?.[1]
    if (data === undefined) continue
    if (data === '[DONE]') return heard === mixedAnswer ? { outcome: 'ok' } : failed(heard)
    const event = JSON.parse(data) as Record<string, unknown>
    if (event.error !== undefined) return { outcome: hasBegun ? 'broken' : 'failed', why: data }
    const { delta = '', whole } = read(event)
    heard = whole ?? heard + delta
    hasBegun ||= heard !== ''
  }
  return failed(`cut after "${heard}": ${cut}`)
}
