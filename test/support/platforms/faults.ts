import type { IncomingMessage, ServerResponse } from 'node:http'

/**
 * How a fake platform fails a request: with an answer of its own; by never answering; by dropping the connection before
 * or after it has done what was asked.
 */
export type Fault =
  | { status: number; headers?: Record<string, string>; body?: unknown }
  | 'hang'
  | 'drop'
  | 'drop_after'

/** Faults for the next requests, in order; `only` leaves those of other names alone: paths, methods or commands. */
export class Faults<F = Fault> {
  readonly #waiting: { fault: F; only: RegExp }[] = []

  next(count: number, fault: F, only: RegExp = /^/): void {
    for (let index = 0; index < count; index++) this.#waiting.push({ fault, only })
  }

  take(name: string): F | null {
    const at = this.#waiting.findIndex(({ only }) => only.test(name))
    return at === -1 ? null : (this.#waiting.splice(at, 1)[0]?.fault ?? null)
  }
}

/** Whether the fault has dealt with the request; `drop_after` has not, and is the caller's to mind when it answers. */
export function failed(fault: Fault | null, request: IncomingMessage, response: ServerResponse): boolean {
  if (fault === null || fault === 'drop_after') return false
  if (fault === 'drop') request.socket.destroy()
  else if (fault !== 'hang') answerJson(response, fault.status, fault.body ?? {}, fault.headers)
  return true
}

export function answerJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const type = typeof body === 'string' ? 'text/html' : 'application/json'
  response.writeHead(status, { 'content-type': type, ...headers }).end(text)
}

export async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

export async function formOf(request: IncomingMessage, body: Buffer): Promise<FormData> {
  const headers = { 'content-type': request.headers['content-type'] ?? '' }
  return new Response(new Uint8Array(body), { headers }).formData()
}
