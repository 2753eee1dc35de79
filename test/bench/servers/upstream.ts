import { createServer } from 'node:http'
import { serveFor } from './serve.ts'

/*
 * The least that can pass for a model's provider: reads the question, answers at once with the same words. It has a
 * process of its own, and does so little that what stands before it is what a bench measures.
 */

const usage = { prompt_tokens: 12, completion_tokens: 9, total_tokens: 21 }
const words = ['Paris', ' is', ' the', ' capital', ' of', ' France', ',', ' still', '.']
const head = { id: 'chatcmpl-bench', created: 1_700_000_000, model: 'test-model' }

const whole = JSON.stringify({
  ...head,
  object: 'chat.completion',
  choices: [{ index: 0, message: { role: 'assistant', content: words.join('') }, finish_reason: 'stop' }],
  usage,
})

const pieces = [
  ...words.map((content) => [{ index: 0, delta: { content }, finish_reason: null }]),
  [{ index: 0, delta: {}, finish_reason: 'stop' }],
].map((choices) => event({ ...head, object: 'chat.completion.chunk', choices }))
const stream = [...pieces, event({ ...head, object: 'chat.completion.chunk', choices: [], usage }), 'data: [DONE]\n\n']

function event(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`
}

const server = createServer((request, response) => {
  const parts: Buffer[] = []
  request.on('data', (part: Buffer) => parts.push(part))
  request.on('end', () => {
    const { stream: wantsStream } = JSON.parse(Buffer.concat(parts).toString() || '{}')
    if (!wantsStream) {
      response.setHeader('content-type', 'application/json')
      response.setHeader('content-length', Buffer.byteLength(whole))
      response.end(whole)
      return
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (const piece of stream) response.write(piece)
    response.end()
  })
})

serveFor(server)
