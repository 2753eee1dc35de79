import type { Daemon } from './daemon.ts'

/** Someone who reads a stream of server-sent events to its end. */
export interface SseListener {
  /** The `data:` values so far: JSON where it is, the text otherwise. */
  events: unknown[]
  /** Settles at the end with the events; how a connection breaks off is not told apart from how it closes. */
  ended: Promise<unknown[]>
}

/** Posts the question and listens; rejects when the answer is no stream. */
export async function listen(keel: Pick<Daemon, 'fetch'>, path: string, body: unknown): Promise<SseListener> {
  const response = await keel.fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (!response.body || !response.headers.get('content-type')?.startsWith('text/event-stream'))
    throw new Error(`No stream: ${response.status} ${await response.text()}`)
  const events: unknown[] = []
  return { events, ended: read(response.body, events) }
}

async function read(body: ReadableStream<Uint8Array>, events: unknown[]): Promise<unknown[]> {
  const decoder = new TextDecoder()
  let held = ''
  try {
    for await (const bytes of body) {
      const blocks = (held + decoder.decode(bytes, { stream: true })).split('\n\n')
      held = blocks.pop() ?? ''
      for (const block of blocks) {
        const data = /^data: (.*)$/m.exec(block)?.[1]
        if (data !== undefined) events.push(data.startsWith('{') ? JSON.parse(data) : data)
      }
    }
  } catch (thrown) {
    // A stream that was told of its end breaks off; one that was not lacks the event that its reader looks for.
    if (!(thrown instanceof TypeError)) throw thrown
  }
  return events
}
