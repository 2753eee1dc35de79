import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PassThrough } from 'node:stream'
import { json as readBody } from 'node:stream/consumers'
import { onTestFinished } from 'vitest'
import { runCli } from '#kernel/cli/run-cli.ts'
import type { StartKernel } from '#kernel/handover/local-kernel.ts'

export interface CliRun {
  code: number
  stdout: string
  stderr: string
}

interface RunOptions {
  env?: NodeJS.ProcessEnv
  stdin?: string
  signal?: AbortSignal
  startKernel?: StartKernel
  onStdout?: (text: string) => void
}

/** Runs one command line in this process and collects what it printed. */
export async function keel(argv: readonly string[], options: RunOptions = {}): Promise<CliRun> {
  const { env = {}, stdin = '', signal = new AbortController().signal, startKernel, onStdout } = options
  const input = new PassThrough()
  input.end(stdin)
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const printed = { stdout: '', stderr: '' }
  stdout.setEncoding('utf8').on('data', (text: string) => {
    printed.stdout += text
    onStdout?.(printed.stdout)
  })
  stderr.setEncoding('utf8').on('data', (text: string) => {
    printed.stderr += text
  })
  const code = await runCli(argv, { env, stdin: input, stdout, stderr, signal }, startKernel)
  await new Promise((resolve) => setImmediate(resolve))
  return { code, ...printed }
}

export interface FakeCall {
  route: string
  url: string
  key: string | undefined
  body: unknown
}

type FakeAnswer = (call: FakeCall, response: ServerResponse) => unknown

/** A server that answers `METHOD /path` with JSON: a value, or what a function returns unless it wrote the answer itself. */
export async function fakeKeel(routes: Record<string, unknown>): Promise<{ url: string; calls: FakeCall[] }> {
  const calls: FakeCall[] = []
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.destroy(error as Error))
  })
  async function answer(request: IncomingMessage, response: ServerResponse) {
    const { pathname } = new URL(request.url ?? '/', 'http://x')
    const route = `${request.method} ${pathname}`
    const hasBody = request.headers['content-type'] === 'application/json'
    const key = request.headers.authorization?.replace('Bearer ', '')
    const call = { route, url: request.url ?? '', key, body: hasBody ? await readBody(request) : undefined }
    calls.push(call)
    if (!(route in routes))
      return void response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"not found"}')
    const given = routes[route]
    const value = typeof given === 'function' ? await (given as FakeAnswer)(call, response) : given
    if (!response.headersSent)
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value))
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  )
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, calls }
}

/** Answers with server-sent events and, unless told to stay open, ends. */
export function eventStream(events: readonly unknown[], { open = false } = {}): FakeAnswer {
  return (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (const event of events) response.write(`data: ${JSON.stringify(event)}\n\n`)
    if (!open) response.end('data: [DONE]\n\n')
  }
}
