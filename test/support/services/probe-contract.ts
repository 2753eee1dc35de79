import { z } from 'zod'
import type { ErrorKind } from '#sdk/errors.ts'
import { method, type ServiceContract, service } from '#sdk/service.ts'

const nothing = z.object({})
const timeoutMs = 10_000

/** A service that does on request what a service should and should not do. */
export const probe = service('probe', {
  echo: method({ params: z.object({ value: z.unknown() }), result: z.unknown(), timeoutMs, retry: 'safe' }),
  pid: method({ params: nothing, result: z.int(), timeoutMs, retry: 'safe' }),
  /** Answers after a while; once with each way of being retried. */
  linger: method({ params: z.object({ ms: z.number() }), result: z.int(), timeoutMs, retry: 'safe' }),
  act: method({ params: z.object({ ms: z.number() }), result: z.int(), timeoutMs, retry: 'never' }),
  fail: method({
    params: z.object({
      kind: z.custom<ErrorKind>((value) => typeof value === 'string').optional(),
      message: z.string(),
      details: z.record(z.string(), z.unknown()).optional(),
    }),
    result: z.null(),
    timeoutMs,
    retry: 'never',
  }),
  /** Never answers; notes at the kernel why its signal went off. */
  hang: method({ params: nothing, result: z.null(), timeoutMs, retry: 'never' }),
  /** Streams the numbers below `chunks`, each with some padding; `emitted` tells how many have left. */
  count: method({
    params: z.object({ chunks: z.int(), padding: z.int().default(0), pauseMs: z.number().default(0) }),
    chunk: z.object({ n: z.int(), padding: z.string() }),
    result: z.int(),
    timeoutMs,
    retry: 'safe',
  }),
  emitted: method({ params: nothing, result: z.int(), timeoutMs, retry: 'safe' }),
  answerLength: method({ params: z.object({ length: z.int() }), result: z.string(), timeoutMs, retry: 'never' }),
  wrongResult: method({ params: nothing, result: z.literal('right'), timeoutMs, retry: 'never' }),
  /** Asks the kernel, from within a call. */
  relay: method({ params: z.object({ text: z.string() }), result: z.string(), timeoutMs, retry: 'never' }),
  /** Writes past the contract, straight onto the wire. */
  writeWire: method({
    params: z.object({ text: z.string(), times: z.int() }),
    result: z.null(),
    timeoutMs,
    retry: 'never',
  }),
  print: method({
    params: z.object({ text: z.string(), length: z.int() }),
    result: z.null(),
    timeoutMs,
    retry: 'never',
  }),
  /** Never stops saying the same line, to its log or to the kernel, and goes on answering meanwhile. */
  flood: method({
    params: z.object({ where: z.enum(['stdout', 'stderr', 'wire']), line: z.string() }),
    result: z.null(),
    timeoutMs,
    retry: 'never',
  }),
  /** Dies with half of its answer on the wire. */
  dieMidFrame: method({ params: nothing, result: z.null(), timeoutMs, retry: 'never' }),
  /** Fills its heap until that is full. */
  hoard: method({ params: nothing, result: z.null(), timeoutMs, retry: 'never' }),
  environment: method({ params: nothing, result: z.record(z.string(), z.string()), timeoutMs, retry: 'safe' }),
  allocate: method({ params: z.object({ bytes: z.int() }), result: z.null(), timeoutMs, retry: 'never' }),
  exit: method({ params: z.object({ code: z.int() }), result: z.null(), timeoutMs, retry: 'never' }),
  spin: method({ params: nothing, result: z.null(), timeoutMs, retry: 'never' }),
})

export const probeKernel = service('kernel', {
  note: method({ params: z.object({ text: z.string() }), result: z.string(), timeoutMs, retry: 'never' }),
  breakDown: method({ params: nothing, result: z.null(), timeoutMs, retry: 'never' }),
})

/** The same service under another name. */
export function renamed(name: string): ServiceContract<(typeof probe)['methods']> {
  return { ...probe, name }
}
