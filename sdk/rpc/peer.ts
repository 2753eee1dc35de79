import {
  createJSONRPCErrorResponse,
  createJSONRPCSuccessResponse,
  JSONRPCClient,
  type JSONRPCRequest,
  type JSONRPCResponse,
  JSONRPCServer,
} from 'json-rpc-2.0'
import { z } from 'zod'
import { errorTable, RuntimeError, toRuntimeError } from '../errors.ts'
import type { CallContext, CallOptions, Client, Method, ServiceContract, ServiceHandlers } from '../service.ts'
import type { Span } from '../telemetry/span.ts'
import { parseTraceparent, traceparentOf, tracestateOf } from '../telemetry/trace-context.ts'
import { activeSpan, beginSpan, detached, doneIn, servedSpan, withSpan } from '../telemetry/tracing.ts'
import { type Channel, maxFrameBytes } from './channel.ts'
import { IncomingCall } from './incoming-call.ts'
import { type NoticeParams, parseMessage, type Request, responseError } from './message.ts'
import { cancelledBy, OutgoingCall, type OutgoingSink } from './outgoing-call.ts'
import { creditWindow } from './streams.ts'

/** Calls that one end works on at a time for the other; those beyond are refused. */
const maxIncomingCalls = 4_096
/** A sender of chunks waits while more bytes than this wait to leave, whatever credit it has. */
const streamHighWaterBytes = 1024 * 1024

export interface PeerOptions {
  /** Told of each frame that is not JSON-RPC 2.0. */
  onFault?: (message: string, cause?: unknown) => void
  /** Told of each message that belongs to nothing. A few are left over whenever a call is given up. */
  onStray?: () => void
  /** Told of handlers that failed for an internal reason: the caller learns no more than that. */
  onHandlerFailure?: (method: string, cause: unknown) => void
  /** The largest frame that the other end takes. */
  maxFrameBytes?: number
}

/** What the handler of a notice is told: nobody waits for it, so nobody ends it. */
const untilDone: CallContext = { signal: new AbortController().signal, emit: async () => {} }

type Handler = (params: unknown, context: CallContext) => unknown

/** One end of a channel: serves contracts to the other end and calls those the other end serves. */
export class Peer {
  readonly #channel: Channel
  readonly #client: JSONRPCClient<string>
  readonly #server = new JSONRPCServer<void>({ errorListener: () => {} })
  readonly #outgoing = new Map<number, OutgoingCall>()
  readonly #sink: OutgoingSink = {
    giveRoom: (id, chunks) => this.notify('$/credit', { id, chunks }),
    giveUp: (id, { kind, message }) => {
      this.notify('$/cancel', { id })
      this.#client.receive(createJSONRPCErrorResponse(id, errorTable[kind].code, message))
    },
  }
  readonly #incoming = new Map<number | string, IncomingCall>()
  readonly #notices = new Map<string, (params: NoticeParams) => void>()
  readonly #onFault: NonNullable<PeerOptions['onFault']>
  readonly #onStray: NonNullable<PeerOptions['onStray']>
  readonly #onHandlerFailure: NonNullable<PeerOptions['onHandlerFailure']>
  readonly #maxFrameBytes: number
  #nextId = 0
  #inFlight = 0
  #idle: (() => void)[] = []
  #closed: RuntimeError | undefined

  constructor(channel: Channel, options: PeerOptions = {}) {
    this.#channel = channel
    this.#onFault = options.onFault ?? (() => {})
    this.#onStray = options.onStray ?? (() => {})
    this.#onHandlerFailure = options.onHandlerFailure ?? (() => {})
    this.#maxFrameBytes = options.maxFrameBytes ?? maxFrameBytes
    this.#client = new JSONRPCClient((_request, frame) => channel.send(frame))
    this.#server.mapErrorToJSONRPCErrorResponse = (id, thrown) => {
      const { kind, message, details } = toRuntimeError(thrown)
      return createJSONRPCErrorResponse(id, errorTable[kind].code, message, details)
    }
    this.#notices.set('$/cancel', ({ id }) => this.#incomingCall(id)?.end(new RuntimeError('cancelled')))
    this.#notices.set('$/credit', ({ id, chunks }) => this.#incomingCall(id)?.addCredit(chunks))
    this.#notices.set('$/chunk', ({ id, chunk }) => {
      const reader = this.#outgoing.get(id as number)?.reader
      if (reader) reader.push(chunk)
      else this.#onStray()
    })
    channel.onFrame((frame) => this.#receive(frame))
    channel.onClose((reason) => this.#end(reason))
  }

  /** Calls of contracts that this end has sent and not yet heard back from. */
  get inFlight(): number {
    return this.#inFlight
  }

  /** The channel is gone: nothing more will be answered. */
  get isClosed(): boolean {
    return this.#closed !== undefined
  }

  get bufferedBytes(): number {
    return this.#channel.bufferedBytes
  }

  /** Settles once no call is in flight, which the end of the channel also brings about. */
  async idle(): Promise<void> {
    if (this.inFlight > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  serve<S extends ServiceContract>(contract: S, handlers: ServiceHandlers<S>): void {
    for (const [key, declared] of Object.entries(contract.methods)) {
      const handler = handlers[key] as Handler
      const name = `${contract.name}.${key}`
      if (declared.oneWay) {
        // Nobody waits for it, and somebody may wait for the answer that came along with it.
        this.#notices.set(name, (params) => void setImmediate(() => this.#take(name, params, declared, handler)))
        continue
      }
      this.#server.addMethodAdvanced(name, (request) => this.#answer(name, request, declared, handler))
    }
  }

  connect<S extends ServiceContract>(contract: S): Client<S> {
    const entries = Object.entries(contract.methods).map(([key, declared]) => {
      const name = `${contract.name}.${key}`
      if (declared.oneWay) return [key, async (params: NoticeParams) => this.#tell(name, params)]
      return [key, (params: unknown, options?: CallOptions) => this.#call(name, declared, params, options)]
    })
    return Object.fromEntries(entries) as Client<S>
  }

  notify(method: string, params: NoticeParams = {}): void {
    this.#channel.send(this.#encode({ jsonrpc: '2.0', method, params }))
  }

  onNotice(method: string, listener: (params: NoticeParams) => void): void {
    this.#notices.set(method, listener)
  }

  /** A bare question about the connection itself, such as `$/ping`; answered by `answerControl`. */
  control(method: string, timeoutMs: number): Promise<unknown> {
    return this.#call(method, { params: z.any(), result: z.any(), timeoutMs, retry: 'never' }, undefined)
  }

  answerControl(method: string, answer: () => unknown): void {
    this.#server.addMethodAdvanced(method, async (request) =>
      createJSONRPCSuccessResponse(request.id ?? null, (await answer()) ?? null),
    )
  }

  close(reason?: Error): void {
    this.#channel.close(reason)
  }

  #receive(frame: string): void {
    const message = parseMessage(frame)
    if (!message) this.#onFault('A frame is not JSON-RPC 2.0')
    else if (message.kind === 'response') {
      if (this.#outgoing.has(message.response.id as number)) this.#client.receive(message.response)
      else this.#onStray()
    } else if (message.kind === 'notice') {
      const listener = this.#notices.get(message.method)
      if (listener) listener(message.params)
      else this.#onStray()
    } else {
      const { request } = message
      this.#server.receive(request).then(
        (response) => response && this.#reply(request.method, response),
        (thrown) => this.#onHandlerFailure(request.method, thrown),
      )
    }
  }

  #incomingCall(id: unknown): IncomingCall | undefined {
    const call = this.#incoming.get(id as number | string)
    if (!call) this.#onStray()
    return call
  }

  async #answer(name: string, request: Request, declared: Method, handler: Handler): Promise<JSONRPCResponse> {
    const id = request.id as number | string
    if (this.#incoming.has(id)) throw new RuntimeError('invalid', `${name}: a call with this id is under way`)
    if (this.#incoming.size >= maxIncomingCalls)
      throw new RuntimeError('unavailable', `${maxIncomingCalls} calls are under way`, { retry_after_seconds: 1 })
    const params = declared.params.safeParse(request.params)
    if (!params.success) throw new RuntimeError('invalid', `${name}: ${z.prettifyError(params.error)}`)
    const call = new IncomingCall(request, declared, (chunk) => this.#sendChunk(id, chunk))
    this.#incoming.set(id, call)
    try {
      const isOfTrace = request.traceparent !== undefined || activeSpan() !== undefined
      const result = await (isOfTrace
        ? served(request, call, () => handler(params.data, call))
        : handler(params.data, call))
      if (call.ended) throw call.ended
      return createJSONRPCSuccessResponse(id, result ?? null)
    } catch (thrown) {
      const error = toRuntimeError(thrown)
      if (error.kind === 'internal') this.#onHandlerFailure(name, error.cause ?? error)
      throw error
    } finally {
      call.settle()
      this.#incoming.delete(id)
    }
  }

  #tell(name: string, params: NoticeParams): null {
    if (this.#closed) throw this.#closed
    this.notify(name, params)
    return null
  }

  async #take(name: string, given: NoticeParams, declared: Method, handler: Handler): Promise<void> {
    try {
      const params = declared.params.parse(given)
      await handler(params, untilDone)
    } catch (thrown) {
      this.#onHandlerFailure(name, thrown)
    }
  }

  #sendChunk(id: number | string, chunk: unknown): Promise<void> | undefined {
    this.notify('$/chunk', { id, chunk })
    return this.#channel.bufferedBytes > streamHighWaterBytes ? this.#channel.drained() : undefined
  }

  #reply(method: string, response: JSONRPCResponse): void {
    let frame: string
    try {
      frame = this.#encode(response)
    } catch (thrown) {
      const { kind, message, cause } = toRuntimeError(thrown)
      if (kind === 'internal') this.#onHandlerFailure(method, cause)
      frame = JSON.stringify(createJSONRPCErrorResponse(response.id, errorTable[kind].code, message))
    }
    this.#channel.send(frame)
  }

  async #call(name: string, declared: Method, params: unknown, options: CallOptions = {}): Promise<unknown> {
    if (this.#closed) throw this.#closed
    if (options.signal?.aborted) throw cancelledBy(options.signal)
    const id = ++this.#nextId
    const call = new OutgoingCall(id, name, declared, options.onChunk ? inContext(options) : options, this.#sink)
    this.#outgoing.set(id, call)
    if (!isControl(name)) this.#inFlight += 1
    const span = activeSpan() && !isControl(name) ? clientSpan(name) : undefined
    try {
      const request: Request = { jsonrpc: '2.0', id, method: name, params, timeout_ms: call.timeoutMs }
      if (call.reader) request.credit = creditWindow
      if (span) {
        request.traceparent = traceparentOf(span.context)
        request.tracestate = tracestateOf(span.context)
      }
      const { result, error } = await this.#client.requestAdvanced(request, this.#encode(request))
      call.answered = true
      if (call.reader) await call.chunksTaken()
      if (call.failure) throw call.failure
      if (error) throw responseError(error)
      const parsed = declared.result.safeParse(result)
      if (parsed.success) return parsed.data
      const cause = new Error(`${name} answered: ${z.prettifyError(parsed.error)}`)
      throw new RuntimeError('internal', undefined, undefined, { cause })
    } catch (thrown) {
      span?.fail(thrown)
      throw thrown
    } finally {
      span?.end()
      call.settle()
      this.#outgoing.delete(id)
      if (!isControl(name) && --this.#inFlight === 0 && this.#idle.length > 0)
        for (const resume of this.#idle.splice(0)) resume()
    }
  }

  /** Throws `too_large` for what the other end would not read. */
  #encode(message: JSONRPCRequest | JSONRPCResponse): string {
    const frame = JSON.stringify(message)
    const limit = this.#maxFrameBytes
    // A UTF-16 unit takes three bytes at most: short frames need not be measured.
    if (frame.length * 3 > limit && Buffer.byteLength(frame) > limit)
      throw new RuntimeError('too_large', `The message is over ${limit} bytes`)
    return frame
  }

  #end(reason?: Error): void {
    this.#closed = new RuntimeError('unavailable', 'The connection closed', undefined, { cause: reason })
    for (const call of this.#incoming.values()) call.end(this.#closed)
    for (const call of this.#outgoing.values()) if (!call.answered) call.fail(this.#closed)
  }
}

/** What is read off the wire belongs to no trace, or to the one that the caller names. */
function served<T>(
  { method, traceparent, tracestate }: Request,
  call: Pick<IncomingCall, 'ended'>,
  work: () => T | Promise<T>,
): T | Promise<T> {
  const caller = traceparent === undefined ? undefined : parseTraceparent(traceparent, tracestate)
  if (!caller) return detached(work)
  const span = servedSpan(method, caller, { kind: 'server', attributes: rpcAttributes(method) })
  if (!span.isRecording) return withSpan(span, work)
  return doneIn(span, async () => {
    const result = await work()
    if (call.ended) span.fail(call.ended)
    return result
  })
}

/** Chunks come off the wire, and are taken where the call was made. */
function inContext(options: CallOptions): CallOptions {
  const { onChunk } = options
  const caller = onChunk && activeSpan()
  return caller ? { ...options, onChunk: (chunk) => withSpan(caller, () => onChunk(chunk)) } : options
}

function clientSpan(name: string): Span | undefined {
  return beginSpan(name, { kind: 'client', attributes: rpcAttributes(name) })
}

function rpcAttributes(method: string) {
  return { 'rpc.system.name': 'jsonrpc', 'rpc.method': method }
}

/** Questions about the connection itself are no calls of a contract. */
function isControl(method: string): boolean {
  return method.startsWith('$/')
}
