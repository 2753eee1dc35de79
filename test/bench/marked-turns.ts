import type { Daemon } from '../support/daemon.ts'
import type { UpstreamRequest } from '../support/upstream.ts'
import type { UpstreamReply } from '../support/upstream-reply.ts'

/** The file that marks are written to, in the workspace. */
export const markFile = 'marks.txt'

const thinkMs = 10
const pieceMs = 3
const toldUnknown = 'nobody knows whether it took effect'

export const answerTo = (mark: string) => `All of it is done: ${mark}.`

/**
 * A model that looks into a folder, has the mark of the question written by a tool that may not run twice, and answers.
 * For every other mark it asks for both tools at once.
 */
export function markingModel() {
  /** Marks for which the model was told that nobody knows whether they were written. */
  const toldOf = new Set<string>()

  function reply({ body }: UpstreamRequest): UpstreamReply {
    const messages = body.messages as { role: string; content: string }[]
    const question = messages.findLast(({ role }) => role === 'user')?.content ?? ''
    const mark = /mark-\d+/.exec(question)?.[0] ?? 'mark-none'
    const results = messages.filter(({ role }) => role === 'tool')
    if (results.some(({ content }) => content.includes(toldUnknown))) toldOf.add(mark)
    const pace = { delayMs: thinkMs, chunkDelayMs: pieceMs }
    if (results.length > 1) return { ...pace, text: answerTo(mark) }
    const look = { name: 'list_directory', arguments: '{}' }
    const input = { path: markFile, content: `${mark}\n`, append: true }
    const write = { name: 'write_file', arguments: JSON.stringify(input) }
    const atOnce = Number(mark.slice('mark-'.length)) % 2 === 0
    if (results.length === 0) return { ...pace, text: 'I look. ', toolCalls: atOnce ? [look, write] : [look] }
    return { ...pace, toolCalls: [write] }
  }

  return { reply, toldOf }
}

export interface Caller {
  mark: string
  /** Settles with what is wrong with the answer, if anything is. */
  wrong: Promise<string | undefined>
  /** By `performance.now()`; 0 until the caller has its answer or an error. */
  endedAt: number
}

/** Asks for a mark, by the blocking door or the streaming one. */
export function askForMark({ client }: Pick<Daemon, 'client'>, session_id: string, mark: string, streams: boolean) {
  const body = { content: `Please write ${mark}`, session_id, no_cache: true }
  const caller: Caller = {
    mark,
    endedAt: 0,
    wrong: (streams ? heard(client, body) : answered(client, body))
      .then((content) => (content.endsWith(answerTo(mark)) ? undefined : `The answer to ${mark} is: ${content}`))
      .catch((thrown: unknown) => `${mark}: ${thrown}`)
      .finally(() => {
        caller.endedAt = performance.now()
      }),
  }
  return caller
}

type Body = { content: string; session_id: string; no_cache: boolean }

async function answered(client: Daemon['client'], body: Body): Promise<string> {
  return (await client.agent.sendMessage({ body })).content
}

async function heard(client: Daemon['client'], body: Body): Promise<string> {
  let text = ''
  for await (const event of client.agent.streamMessage.stream({ body })) {
    if (event.type === 'chunk') text += event.delta
    if (event.type === 'content_replaced') text = event.content
    if (event.type === 'error') throw new Error(event.error)
    if (event.type !== 'stream_end') continue
    if (event.content !== text) throw new Error(`"${text}" was heard and "${event.content}" meant`)
    return text
  }
  throw new Error(`The stream ended without an end, after "${text}"`)
}
