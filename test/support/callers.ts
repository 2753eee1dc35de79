import type { Daemon } from './daemon.ts'
import type { UpstreamRequest } from './upstream.ts'
import type { UpstreamReply } from './upstream-reply.ts'

export const goodAnswer = 'Well answered.'

/** An upstream whose model uses a tool first when a question asks for it. */
export function helpfulModel({ body }: UpstreamRequest): UpstreamReply {
  const last = (body.messages as { role: string; content: string }[]).at(-1)
  const wantsTool = last?.role === 'user' && last.content.includes('use a tool')
  return wantsTool ? { toolCalls: [{ name: 'list_directory', arguments: '{}' }] } : { text: goodAnswer, delayMs: 20 }
}

export interface Load {
  /** What was answered so far, in the order of arrival. */
  answers: string[]
  /** Lets each caller finish its question; rejects with the first failure that any of them met. */
  stop(): Promise<void>
}

/** So many callers, each in a session of its own, one question after the other, by three doors in turn. */
export function startCallers({ client }: Pick<Daemon, 'client'>, count: number): Load {
  const answers: string[] = []
  let over = false

  async function keepAsking(caller: number) {
    const { id } = await client.sessions.createSession({ body: { scope: `caller-${caller}-${Date.now()}` } })
    for (let n = 0; !over; n++) {
      const question = `question ${caller}.${n}`
      if (n % 3 === 0) {
        const { choices } = await client.compat.createChatCompletion({
          body: { model: 'mock/test-model', messages: [{ role: 'user', content: question }] },
        })
        answers.push(String(choices[0]?.message.content))
        continue
      }
      const content = n % 3 === 1 ? question : `${question}: use a tool`
      const answer = await client.agent.sendMessage({ body: { content, session_id: id } })
      const outcomes = answer.tool_calls.map(({ status }) => status).join()
      const expected = n % 3 === 1 ? '' : 'success'
      if (outcomes !== expected) throw new Error(`${question}: tools ended as "${outcomes}", not "${expected}"`)
      answers.push(answer.content)
    }
  }

  const callers = Promise.all(Array.from({ length: count }, (_, caller) => keepAsking(caller)))
  // A failure is told by stop(); until then it must not end the test run.
  callers.catch(() => {})
  return {
    answers,
    async stop() {
      over = true
      await callers
    },
  }
}
