import { once } from 'node:events'
import { inspect } from 'node:util'
import { expect } from 'vitest'
import type { InboundMessage } from '#sdk/channels/message.ts'
import type { Adapter, MediaSource, OutboundPart } from '../../services/channels/adapter.ts'
import type { TestHost } from './adapter-host.ts'
import type { LoopbackPlatform } from './platforms/loopback-platform.ts'

type OutboundFile = NonNullable<OutboundPart['file']>

export interface Following {
  stop: AbortController
  /** Settles with the error that ended it, or with null. */
  over: Promise<unknown>
}

const waitMs = 10_000

/** Adapters that a test has begun to follow, whether they still receive or not. */
export const running: Following[] = []

export function deadline(): AbortSignal {
  return AbortSignal.timeout(waitMs)
}

/** The adapter receives until it is stopped, or the test is over. */
export function follow(adapter: Adapter): Following {
  const stop = new AbortController()
  const over = adapter.receive(stop.signal).then(
    () => null,
    (thrown: unknown) => thrown,
  )
  const following = { stop, over }
  running.push(following)
  return following
}

/** For the end of each test. */
export async function stopAll(): Promise<void> {
  const all = running.splice(0)
  for (const { stop } of all) stop.abort()
  await Promise.all(all.map(({ over }) => over))
}

/** Follows the adapter; resolves once the platform has spoken to it. */
export async function connectedTo(host: TestHost, adapter: Adapter): Promise<Adapter> {
  const before = host.connections
  follow(adapter)
  await host.until(() => host.connections > before)
  return adapter
}

/** Follows the adapter; resolves once it has a place to go on from. */
export async function placedIn(host: TestHost, adapter: Adapter): Promise<Adapter> {
  follow(adapter)
  await host.until(() => host.cursor !== null)
  return adapter
}

export async function refusalOf(call: Promise<unknown> | undefined): Promise<unknown> {
  if (!call) return expect.unreachable('There is no such call')
  return call.then(
    () => expect.unreachable('It was not refused'),
    (thrown: unknown) => thrown,
  )
}

/** What a call is refused with whose signal ends as soon as the platform has its request. */
export async function refusalOnceStopped(
  platform: LoopbackPlatform,
  call: (signal: AbortSignal) => Promise<unknown>,
): Promise<unknown> {
  const stop = new AbortController()
  const refusal = refusalOf(call(stop.signal))
  await once(platform.events, 'request', { signal: deadline() })
  stop.abort()
  return refusal
}

/** All that an error could tell a log: its causes and what it hides as well. */
export function toldBy(error: unknown): string {
  return inspect(error, { depth: 10, showHidden: true, getters: true, maxStringLength: null, maxArrayLength: null })
}

export function messagesOf(host: TestHost): InboundMessage[] {
  return host.updates as InboundMessage[]
}

export function textsOf(host: TestHost): string[] {
  return messagesOf(host).map(({ text }) => text)
}

/** A file that the host keeps, to be sent; fields given replace the usual ones. */
export function fileOf(
  host: TestHost,
  about: Partial<OutboundFile['about']> = {},
  bytes: Uint8Array = Buffer.from('12345'),
): OutboundFile {
  host.files.set('d1/0', bytes)
  const usual = { kind: 'document', filename: 'report.pdf', content_type: 'application/pdf', caption: null } as const
  return { delivery_id: 'd1', index: 0, about: { ...usual, size_bytes: bytes.byteLength, ...about } }
}

export async function bytesOf({ bytes }: Pick<MediaSource, 'bytes'>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(bytes))
}
