import { securityHeaders } from './headers.ts'
import { STATUS_CODES } from './node-http.ts'

/** A whole HTTP answer as text, for where there is a socket and no ServerResponse. The connection ends with it. */
export function rawAnswer(status: number, body: string, type: string, headers: Record<string, string> = {}): string {
  const all = new Map([
    ...securityHeaders,
    ...Object.entries(headers),
    ['content-type', type],
    ['content-length', String(Buffer.byteLength(body))],
    ['connection', 'close'],
  ])
  const lines = [...all].map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${body}`
}

export function rawJsonAnswer(status: number, body: unknown, headers?: Record<string, string>): string {
  return rawAnswer(status, JSON.stringify(body), 'application/json; charset=utf-8', headers)
}
