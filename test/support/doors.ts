import { readToTheEnd } from './broken-answer.ts'
import type { Daemon } from './daemon.ts'

/** What a caller at a door was answered. */
export interface DoorAnswer {
  status: number
  headers: Headers
  text: string
  /** Who answered, `provider/model`; empty where nobody did. */
  model: string
  /** The answer's error, or that of a stream's error event, as the door's clients know it. */
  error: Record<string, unknown> | undefined
  /** The stream says that the answer is complete, in the door's own way; true for what is no stream and a success. */
  isDone: boolean
  /** The body came to its proper end; otherwise the connection broke off. */
  isWhole: boolean
}

export interface Door {
  name: string
  streams: boolean
  /** A turn of the agent, which answers in words when no model does. */
  isAgent: boolean
  ask(keel: Daemon, question: DoorQuestion): Promise<DoorAnswer>
}

export interface DoorQuestion {
  /** `provider/model`. */
  model: string
  text: string
  /** Another model may answer; a turn of the agent always lets it. */
  fallback?: boolean
  signal?: AbortSignal
  /** Called when the first piece of the body has come. */
  onFirstPiece?: () => void
}

type Json = Record<string, unknown>

function post(keel: Daemon, path: string, body: Json, { fallback = true, signal }: DoorQuestion): Promise<Response> {
  return keel.fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(fallback ? {} : { 'x-keel-fallback': 'off' }) },
    body: JSON.stringify(body),
    ...(signal ? { signal } : {}),
  })
}

async function* withNotice(body: AsyncIterable<Uint8Array> | null, onFirstPiece?: () => void) {
  for await (const piece of body ?? []) {
    onFirstPiece?.()
    yield piece
  }
}

interface SentEvent {
  name: string | undefined
  data: string
}

function eventsIn(text: string): SentEvent[] {
  return text.split('\n\n').flatMap((block) => {
    const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1]
    const data = field('data')
    return data === undefined ? [] : [{ name: field('event'), data }]
  })
}

/** What of an answer its own protocol tells; the rest is the same for all doors. */
type Told = Partial<Pick<DoorAnswer, 'text' | 'model' | 'error' | 'isDone'>>

async function read(response: Response, question: DoorQuestion, tell: (text: string) => Told): Promise<DoorAnswer> {
  const { text, isWhole } = await readToTheEnd(withNotice(response.body, question.onFirstPiece))
  const { status, headers, ok } = response
  const told = tell(text)
  return { status, headers, text: '', model: '', error: undefined, isDone: ok, ...told, isWhole }
}

function parse(text: string): Json {
  return JSON.parse(text) as Json
}

const object = (value: unknown) => (value ?? {}) as Json
const list = (value: unknown) => (value ?? []) as Json[]

function chatWhole(text: string): Told {
  const answer = parse(text)
  if (answer.error) return { error: object(answer.error) }
  const { message } = object(list(answer.choices)[0])
  return { text: String(object(message).content), model: String(answer.model) }
}

function chatStream(text: string): Told {
  const told: Told = { text: '', isDone: false }
  if (text.startsWith('{')) return { ...chatWhole(text), isDone: false }
  for (const { data } of eventsIn(text)) {
    if (data === '[DONE]') {
      told.isDone = true
      continue
    }
    const chunk = parse(data)
    if (chunk.error) told.error = object(chunk.error)
    else {
      told.model = String(chunk.model)
      told.text += String(object(object(list(chunk.choices)[0]).delta).content ?? '')
    }
  }
  return told
}

function anthropicWhole(text: string): Told {
  const answer = parse(text)
  if (answer.type === 'error') return { error: object(answer.error) }
  return { text: String(list(answer.content)[0]?.text), model: String(answer.model) }
}

function anthropicStream(text: string): Told {
  const told: Told = { text: '', isDone: false }
  if (text.startsWith('{')) return { ...anthropicWhole(text), isDone: false }
  for (const { name, data } of eventsIn(text)) {
    const event = parse(data)
    if (name === 'message_start') told.model = String(object(event.message).model)
    if (name === 'content_block_delta') told.text += String(object(event.delta).text ?? '')
    if (name === 'message_stop') told.isDone = true
    if (name === 'error') told.error = object(event.error)
  }
  return told
}

function agentWhole(text: string): Told {
  const { content, model, error } = parse(text)
  return error ? { error: { message: error } } : { text: String(content), model: String(model) }
}

function agentStream(text: string): Told {
  const told: Told = { text: '', isDone: false }
  for (const { data } of eventsIn(text)) {
    if (data === '[DONE]') {
      told.isDone = true
      continue
    }
    const event = parse(data)
    if (event.type === 'chunk') told.text += String(event.delta)
    if (event.type === 'content_replaced') told.text = String(event.content)
    if (event.type === 'error') told.error = { message: event.error }
    if (event.type === 'stream_end') told.model = String(event.model)
  }
  return told
}

async function agentSession(keel: Daemon): Promise<string> {
  return (await keel.client.sessions.createSession({ body: { scope: crypto.randomUUID() } })).id
}

const spoken = (text: string) => [{ role: 'user', content: text }]

function chatDoor(stream: boolean): Door {
  return {
    name: stream ? '/v1/chat/completions as a stream' : '/v1/chat/completions',
    streams: stream,
    isAgent: false,
    async ask(keel, question) {
      const body = { model: question.model, messages: spoken(question.text), stream }
      const response = await post(keel, '/v1/chat/completions', body, question)
      return read(response, question, stream ? chatStream : chatWhole)
    },
  }
}

function anthropicDoor(stream: boolean): Door {
  return {
    name: stream ? '/anthropic/v1/messages as a stream' : '/anthropic/v1/messages',
    streams: stream,
    isAgent: false,
    async ask(keel, question) {
      const body = { model: question.model, max_tokens: 100, messages: spoken(question.text), stream }
      const response = await post(keel, '/anthropic/v1/messages', body, question)
      return read(response, question, stream ? anthropicStream : anthropicWhole)
    },
  }
}

function agentDoor(stream: boolean): Door {
  const path = stream ? '/api/agent/message/stream' : '/api/agent/message'
  return {
    name: path,
    streams: stream,
    isAgent: true,
    async ask(keel, question) {
      const body = { model: question.model, content: question.text, session_id: await agentSession(keel) }
      const response = await post(keel, path, { ...body, no_cache: true }, question)
      return read(response, question, stream ? agentStream : agentWhole)
    },
  }
}

/** Every way to ask a model from outside, each read as its own clients read it. */
export const doors: Door[] = [agentDoor, chatDoor, anthropicDoor].flatMap((door) => [door(false), door(true)])
