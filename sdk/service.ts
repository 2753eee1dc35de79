import { createHash } from 'node:crypto'
import { z } from 'zod'

/** One thing a service can be asked to do, over a channel that may break. */
export interface Method<
  P extends z.ZodType = z.ZodType,
  R extends z.ZodType = z.ZodType,
  C extends z.ZodType = z.ZodType,
> {
  readonly params: P
  readonly result: R
  /** What is sent before the result, for methods that stream. */
  readonly chunk?: C
  /** How long the caller waits for the result, in milliseconds. */
  readonly timeoutMs: number
  /** `safe`: may be sent again to a new process when the first one died before it answered. */
  readonly retry: 'safe' | 'never'
  /** Chunks that may reach the caller twice: after these alone, a `safe` call is still sent again. */
  repeatable?(chunk: z.output<C>): boolean
  /** Nothing comes back and nobody waits. What a caller sends afterwards arrives afterwards. */
  readonly oneWay?: true
}

export interface ServiceContract<M extends Record<string, Method> = Record<string, Method>> {
  readonly name: string
  readonly methods: M
}

export function method<P extends z.ZodType, R extends z.ZodType, C extends z.ZodType = z.ZodNever>(
  declared: Method<P, R, C>,
): Method<P, R, C> {
  return declared
}

/** What one side tells the other without waiting: a failure is the teller's no more, and is logged where it happens. */
export function notice<P extends z.ZodType>(params: P): Method<P, z.ZodNull, z.ZodNever> {
  return { params, result: z.null(), timeoutMs: 0, retry: 'never', oneWay: true }
}

export function service<const N extends string, M extends Record<string, Method>>(name: N, methods: M) {
  return { name, methods } satisfies ServiceContract<M>
}

export type Params<M extends Method> = z.input<M['params']>
export type Result<M extends Method> = z.output<M['result']>
export type Chunk<M extends Method> = z.output<NonNullable<M['chunk']>>

export interface CallOptions<M extends Method = Method> {
  signal?: AbortSignal
  /** A shorter deadline than the method's own. */
  timeoutMs?: number
  /** Called for each chunk in order; the callee is given more credit once it settles. */
  onChunk?: (chunk: Chunk<M>) => void | Promise<void>
}

/** The caller's side of a contract. */
export type Client<S extends ServiceContract> = {
  [K in keyof S['methods']]: (
    params: Params<S['methods'][K]>,
    options?: CallOptions<S['methods'][K]>,
  ) => Promise<Result<S['methods'][K]>>
}

export interface CallContext<M extends Method = Method> {
  /** Aborted when the caller cancels, the deadline passes or the channel closes. */
  signal: AbortSignal
  /** Sends a chunk; settles when the caller has room for the next. */
  emit: (chunk: Chunk<M>) => Promise<void>
}

/** The callee's side of a contract. */
export type ServiceHandlers<S extends ServiceContract> = {
  [K in keyof S['methods']]: (
    params: z.output<S['methods'][K]['params']>,
    context: CallContext<S['methods'][K]>,
  ) => z.input<S['methods'][K]['result']> | Promise<z.input<S['methods'][K]['result']>>
}

/** A digest of everything two processes must agree on before they talk. */
export function fingerprint(...contracts: ServiceContract[]): string {
  const hash = createHash('sha256')
  for (const { name, methods } of contracts) {
    hash.update(name)
    for (const [key, declared] of Object.entries(methods)) {
      hash.update(
        JSON.stringify([
          key,
          declared.retry,
          declared.oneWay,
          schemaText(declared.params),
          schemaText(declared.result),
          declared.chunk && schemaText(declared.chunk),
        ]),
      )
    }
  }
  return hash.digest('hex').slice(0, 16)
}

function schemaText(schema: z.ZodType): string {
  return JSON.stringify(z.toJSONSchema(schema, { unrepresentable: 'any', io: 'input' }))
}
