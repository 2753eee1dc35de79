import {
  createJSONRPCErrorResponse,
  createJSONRPCSuccessResponse,
  JSONRPCClient,
  type JSONRPCRequest,
  type JSONRPCResponse,
  JSONRPCServer,
} from 'json-rpc-2.0'
import { z } from 'zod'
import { errorTable, kindOfCode, RuntimeError, toRuntimeError } from '../errors.ts'
import type { CallContext, CallOptions, Client, Method, ServiceContract, ServiceHandlers } from '../service.ts'
import { type Channel, maxFrameBytes } from './channel.ts'
import { chunkCredit, chunkReader, creditWindow } from './streams.ts'

/** JSON-RPC 2.0 request with what it lacks: how long the caller waits, and how many chunks it can take. */
type Request = JSONRPCRequest & { timeout_ms?: number; credit?: number }
type Params = Record<string, unknown>

export interface PeerOptions {
  /** Told of frames that are not JSON-RPC, and of handlers that failed for an internal reason. */
  onFault?: (message: string, cause?: unknown) => void
  maxFrameBytes?: number
}

interface OutgoingCall {
  reader: ReturnType<typeof chunkReader> | undefined
  /** Set where the wire ended the call, rather than the callee: what the caller is told. */
  failure?: RuntimeError
}

interface IncomingCall {
  abort: AbortController
  credit: ReturnType<typeof chunkCredit>
}

/** One end of a channel: serves contracts to the other end and calls those the other end serves. */
export class Peer {
  readonly #channel: Channel
  readonly #client: JSONRPCClient<Request>
  readonly #server: JSONRPCServer<Request>
  readonly #outgoing = new Map<number, OutgoingCall>()
  readonly #incoming = new Map<number, IncomingCall>()
  readonly #notices = new Map<string, (params: Params) => void>()
  readonly #onFault: NonNullable<PeerOptions['onFault']>
  readonly #maxFrameBytes: number
  #nextId = 0
  #closed: RuntimeError | undefined

  constructor(channel: Channel, options: PeerOptions = {}) {
    this.#channel = channel
    this.#onFault = options.onFault ?? (() => {})
    this.#maxFrameBytes = options.maxFrameBytes ?? maxFrameBytes
    this.#client = new JSONRPCClient((request) => this.#write(request))
    this.#server = new JSONRPCServer({ errorListener: () => {} })
    this.#server.mapErrorToJSONRPCErrorResponse = (id, thrown) => {
      const error = toRuntimeError(thrown)
      if (error.kind === 'internal') this.#onFault(error.message, error.cause ?? error)
      return createJSONRPCErrorResponse(id, errorTable[error.kind].code, error.message, error.details)
    }
    this.#notices.set('$/cancel', ({ id }) =>
      this.#incoming.get(id as number)?.abort.abort(new RuntimeError('cancelled')),
    )
    this.#notices.set('$/credit', ({ id, chunks }) => this.#incoming.get(id as number)?.credit.add(Number(chunks)))
    this.#notices.set('$/chunk', ({ id, chunk }) => this.#outgoing.get(id as number)?.reader?.push(chunk))
    channel.onFrame((frame) => this.#receive(frame))
    channel.onClose((reason) => this.#end(reason))
  }

  /** Calls this end has sent and not yet heard back from. */
  get inFlight(): number {
    return this.#outgoing.size
  }

  /** The channel is gone: nothing more will be answered. */
  get isClosed(): boolean {
    return this.#closed !== undefined
  }

  get bufferedBytes(): number {
    return this.#channel.bufferedBytes
  }

  serve<S extends ServiceContract>(contract: S, handlers: ServiceHandlers<S>): void {
    for (const [name, declared] of Object.entries(contract.methods)) {
      const handler = handlers[name] as (params: unknown, context: CallContext) => unknown
      this.#server.addMethodAdvanced(`${contract.name}.${name}`, (request) =>
        this.#answer(request as Request, declared, handler),
      )
    }
  }

  connect<S extends ServiceContract>(contract: S): Client<S> {
    const entries = Object.entries(contract.methods).map(([name, declared]) => [
      name,
      (params: unknown, options?: CallOptions) => this.#call(`${contract.name}.${name}`, declared, params, options),
    ])
    return Object.fromEntries(entries) as Client<S>
  }

  notify(method: string, params: Params = {}): void {
    this.#write({ jsonrpc: '2.0', method, params })
  }

  onNotice(method: string, listener: (params: Params) => void): void {
    this.#notices.set(method, listener)
  }

  /** A bare question about the connection itself, such as `$/ping`; answered by `answerControl`. */
  async control(method: string, timeoutMs: number): Promise<unknown> {
    return this.#call(method, { params: z.any(), result: z.any(), timeoutMs, retry: 'never' }, {})
  }

  answerControl(method: string, answer: () => unknown): void {
    this.#server.addMethodAdvanced(method, async (request) =>
      createJSONRPCSuccessResponse(request.id ?? null, await answer()),
    )
  }

  close(reason?: Error): void {
    this.#channel.close(reason)
  }

  #receive(frame: string): void {
    let message: unknown
    try {
      message = JSON.parse(frame)
    } catch {
      this.#onFault('A frame is not JSON')
      return
    }
    if (!isMessage(message)) {
      this.#onFault('A frame is not JSON-RPC 2.0')
      return
    }
    if (typeof message.method !== 'string') {
      this.#client.receive(message as JSONRPCResponse)
      return
    }
    if (message.id === undefined) {
      this.#notices.get(message.method)?.(isRecord(message.params) ? message.params : {})
      return
    }
    this.#server.receive(message as Request).then((response) => {
      if (response) this.#write(response)
    }, this.#onFault)
  }

  async #answer(
    request: Request,
    declared: Method,
    handler: (params: unknown, context: CallContext) => unknown,
  ): Promise<JSONRPCResponse> {
    const id = request.id as number
    const parsed = declared.params.safeParse(request.params)
    if (!parsed.success) throw new RuntimeError('invalid', `${request.method}: ${z.prettifyError(parsed.error)}`)
    const abort = new AbortController()
    const timer = setTimeout(() => abort.abort(new RuntimeError('timeout')), request.timeout_ms ?? declared.timeoutMs)
    const credit = chunkCredit(request.credit ?? 0, abort.signal)
    this.#incoming.set(id, { abort, credit })
    try {
      const emit = async (chunk: unknown) => {
        await credit.take()
        this.notify('$/chunk', { id, chunk })
      }
      const result = await handler(parsed.data, { signal: abort.signal, emit } as CallContext)
      return createJSONRPCSuccessResponse(id, result ?? null)
    } finally {
      clearTimeout(timer)
      this.#incoming.delete(id)
    }
  }

  async #call(name: string, declared: Method, params: unknown, options: CallOptions = {}): Promise<unknown> {
    if (this.#closed) throw this.#closed
    const { signal } = options
    signal?.throwIfAborted()
    const id = ++this.#nextId
    const timeoutMs = Math.min(options.timeoutMs ?? declared.timeoutMs, declared.timeoutMs)
    const call: OutgoingCall = { reader: undefined }
    const fail = (error: RuntimeError) => {
      if (!this.#outgoing.has(id)) return
      call.failure = error
      this.notify('$/cancel', { id })
      this.#client.receive(createJSONRPCErrorResponse(id, errorTable[error.kind].code, error.message))
    }
    if (declared.chunk) {
      call.reader = chunkReader(declared.chunk, options.onChunk as ((chunk: unknown) => unknown) | undefined, {
        onRoom: (chunks) => this.notify('$/credit', { id, chunks }),
        onFailure: (thrown) => fail(toRuntimeError(thrown)),
      })
    }
    this.#outgoing.set(id, call)
    const timer = setTimeout(
      () => fail(new RuntimeError('timeout', `${name} did not answer within ${timeoutMs} ms`)),
      timeoutMs,
    )
    const onAbort = () => fail(signal?.reason instanceof RuntimeError ? signal.reason : new RuntimeError('cancelled'))
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      const request: Request = { jsonrpc: '2.0', id, method: name, params, timeout_ms: timeoutMs }
      if (declared.chunk) request.credit = creditWindow
      const response = await this.#client.requestAdvanced(request, request)
      await (call.failure ? call.reader?.stop() : call.reader?.finished())
      if (response.error) {
        throw (
          call.failure ?? new RuntimeError(kindOfCode(response.error.code), response.error.message, response.error.data)
        )
      }
      const parsed = declared.result.safeParse(response.result)
      if (!parsed.success) {
        throw new RuntimeError('internal', undefined, undefined, {
          cause: new Error(`${name} answered: ${z.prettifyError(parsed.error)}`),
        })
      }
      return parsed.data
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      this.#outgoing.delete(id)
    }
  }

  #write(message: JSONRPCResponse | JSONRPCRequest): void {
    const frame = JSON.stringify(message)
    if (frame.length <= this.#maxFrameBytes) {
      this.#channel.send(frame)
      return
    }
    const error = new RuntimeError('too_large', `The message is over ${this.#maxFrameBytes} bytes`)
    if ('method' in message) throw error
    this.#channel.send(JSON.stringify(createJSONRPCErrorResponse(message.id, errorTable.too_large.code, error.message)))
  }

  #end(reason?: Error): void {
    this.#closed = new RuntimeError('unavailable', 'The connection closed', undefined, { cause: reason })
    for (const { abort } of this.#incoming.values()) abort.abort(this.#closed)
    for (const [id, call] of this.#outgoing) {
      call.failure = this.#closed
      this.#client.receive(createJSONRPCErrorResponse(id, errorTable.unavailable.code, this.#closed.message))
    }
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isMessage(value: unknown): value is { id?: unknown; method?: unknown; params?: unknown } {
  return (
    isRecord(value) && value.jsonrpc === '2.0' && (typeof value.method === 'string' || typeof value.id === 'number')
  )
}
