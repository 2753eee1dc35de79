import { jitter } from '#sdk/jitter.ts'

/** A wait after a failure: doubled with each further one in a row, up to the most. */
export interface BackOff {
  firstMs: number
  mostMs: number
}

/** How long things may take, and how long is waited. */
export interface ChannelTimes {
  /** One part of a message, until the platform has taken it. */
  partMs: number
  /** All parts that one call sends: those for which no time is left are for the next. */
  sendMs: number
  draftMs: number
  typingMs: number
  parseMs: number
  mediaMs: number
  checkMs: number
  /** From the start of a thread until its adapter can be called. */
  readyMs: number
  heartbeatMs: number
  /** Silent for so many heartbeats, a thread hangs. */
  heartbeatMisses: number
  /** What a thread may take to finish its calls before it is ended. */
  drainMs: number
  /** Before a thread that ended is started again. */
  restart: BackOff
  /** Before a lost connection is tried again. */
  reconnect: BackOff
  /** The same after a refusal for good, as of a token: only the operator can heal that. */
  refusedMs: number
  /** The longest that a platform may ask to wait before the connection is tried again. */
  askedMostMs: number
  /** What has stood for so long begins to count its failures anew. */
  healthyMs: number
  /** Before updates that the kernel could not keep are offered again. */
  offer: BackOff
  /** How long nothing is sent once sending fails again and again. */
  breaker: BackOff
}

export const channelTimes: Readonly<ChannelTimes> = {
  partMs: 30_000,
  sendMs: 55_000,
  draftMs: 8_000,
  typingMs: 5_000,
  parseMs: 3_000,
  mediaMs: 100_000,
  checkMs: 15_000,
  readyMs: 30_000,
  heartbeatMs: 1_000,
  heartbeatMisses: 5,
  drainMs: 5_000,
  restart: { firstMs: 500, mostMs: 60_000 },
  reconnect: { firstMs: 1_000, mostMs: 60_000 },
  refusedMs: 300_000,
  askedMostMs: 3_600_000,
  healthyMs: 60_000,
  offer: { firstMs: 500, mostMs: 10_000 },
  breaker: { firstMs: 15_000, mostMs: 300_000 },
}

/** The wait after so many failures in a row, in milliseconds. */
export function backOffMs({ firstMs, mostMs }: BackOff, failures: number): number {
  const waitMs = Math.min(firstMs * 2 ** (failures - 1), mostMs)
  return Math.round(waitMs * jitter())
}
