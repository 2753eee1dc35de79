import type { Heartbeat } from '#sdk/rpc/heartbeat.ts'
import type { ServiceContract, ServiceHandlers } from '#sdk/service.ts'

/** A child as data: what to start, what it may ask of the kernel, and how much patience there is with it. */
export interface ServiceSpec<S extends ServiceContract = ServiceContract, K extends ServiceContract = ServiceContract> {
  contract: S
  entry: URL
  /** What the kernel answers on this child's channel, and on no other. */
  kernel: { contract: K; handlers: ServiceHandlers<K> }
  /** `lazy`: started by the first call. */
  start: 'eager' | 'lazy'
  nodeFlags: readonly string[]
  env: Readonly<Record<string, string>>
  /** It gets `env` alone, and nothing of the kernel's own environment. */
  bareEnv: boolean
  /** From spawn to the first answered ping; the first start of a service gets `firstReadyMs`. */
  readyMs: number
  firstReadyMs: number
  heartbeat: Heartbeat
  /** How long a replaced process may take to finish its calls. */
  drainMs: number
  /** More failed starts than this, in either window, and the service is down. */
  budget: { crashes: number; withinMs: number; longCrashes: number; longWithinMs: number }
  /** How often a service that is down is tried again. */
  probeMs: number
  memoryBytes: number
  /** Its memory is looked at from outside so often, in milliseconds, and once over `memoryBytes` ends it; 0 leaves it to the heartbeat. */
  memoryWatchMs: number
  queue: { max: number; waitMs: number }
  /** Two processes of it can not live side by side: a planned restart ends the old one before it starts the new one. */
  stateful: boolean
  /** Ended after so long without a call, and started again by the next one; 0 keeps it. */
  idleStopMs: number
}

const mebibyte = 1024 * 1024

/** The patience of most services; `numbers` that differ are given with the spec. */
const defaults = {
  start: 'eager',
  nodeFlags: [],
  env: {},
  bareEnv: false,
  readyMs: 5_000,
  firstReadyMs: 15_000,
  heartbeat: { everyMs: 1_000, misses: 3 },
  drainMs: 30_000,
  budget: { crashes: 5, withinMs: 30_000, longCrashes: 10, longWithinMs: 300_000 },
  // With the start itself, a service is back within a minute of its cause's end.
  probeMs: 55_000,
  memoryBytes: 512 * mebibyte,
  memoryWatchMs: 0,
  queue: { max: 256, waitMs: 5_000 },
  stateful: false,
  idleStopMs: 0,
} as const

type Given<S extends ServiceContract, K extends ServiceContract> = Pick<
  ServiceSpec<S, K>,
  'contract' | 'entry' | 'kernel'
> &
  Partial<ServiceSpec<S, K>>

export function serviceSpec<S extends ServiceContract, K extends ServiceContract>(
  given: Given<S, K>,
): ServiceSpec<S, K> {
  return { ...defaults, ...given }
}
