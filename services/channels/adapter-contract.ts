import type { MessagePort } from 'node:worker_threads'
import { z } from 'zod'
import { outboundMessage } from '#sdk/channels/message.ts'
import type { PlatformName } from '#sdk/channels/platforms.ts'
import { method, notice, service } from '#sdk/service.ts'
import { type AdapterSettings, adapterState, channelsService } from '#sdk/services/channels.ts'
import { kernelForChannels } from '#sdk/services/kernel.ts'
import type { AdapterModule } from './adapters.ts'
import { type ChannelTimes, channelTimes } from './times.ts'

/*
 * What the host and an adapter's thread say to each other. A thread serves one platform, so none of it names the channel.
 */

const { parse, send, draft, typing, answerPress, fetchMedia } = channelsService.methods
const { cursor, accept, readAttachment } = kernelForChannels.methods

/** What a thread adds to the time of its parts to say how far it came, in milliseconds. */
export const lastWordMs = 2_000

export const adapterService = service('adapter', {
  parse: method({
    params: parse.params.omit({ channel: true }),
    result: parse.result,
    timeoutMs: channelTimes.parseMs,
    retry: 'never',
  }),
  send: method({
    params: outboundMessage,
    chunk: send.chunk,
    result: send.result,
    timeoutMs: channelTimes.sendMs + lastWordMs,
    retry: 'never',
  }),
  draft: method({
    params: draft.params.omit({ channel: true }),
    result: draft.result,
    timeoutMs: channelTimes.draftMs,
    retry: 'never',
  }),
  typing: method({
    params: typing.params.omit({ channel: true }),
    result: z.null(),
    timeoutMs: channelTimes.typingMs,
    retry: 'never',
  }),
  answerPress: method({
    params: answerPress.params.omit({ channel: true }),
    result: z.null(),
    timeoutMs: channelTimes.typingMs,
    retry: 'never',
  }),
  fetchMedia: method({
    params: fetchMedia.params.omit({ channel: true }),
    chunk: fetchMedia.chunk,
    result: fetchMedia.result,
    timeoutMs: channelTimes.mediaMs,
    retry: 'never',
  }),
  check: method({
    params: z.object({}),
    result: z.object({ identity: z.string() }),
    timeoutMs: channelTimes.checkMs,
    retry: 'never',
  }),
})

export const reception = adapterState.omit({ name: true, last_activity: true })
/** How an adapter fares with its platform, as its thread sees it. */
export type ReceptionState = z.infer<typeof reception>

export const hostForAdapter = service('host', {
  cursor: method({ ...cursor, params: z.object({}) }),
  accept: method({ ...accept, params: accept.params.omit({ channel: true }) }),
  readFile: readAttachment,
  report: notice(reception),
})

/** A thread's first word: its adapter can be called. */
export const hello = adapterState.pick({ mode: true })

/** A thread's answer to a ping. */
export const pulse = z.object({
  /** Bytes outside the thread's heap, which the heap's own bound does not count. */
  external_bytes: z.number(),
  last_activity: z.string().nullable(),
})
export type Pulse = z.infer<typeof pulse>

/** What an adapter is built from. */
export interface AdapterBrief<N extends PlatformName = PlatformName> {
  name: N
  module: AdapterModule
  settings: AdapterSettings[N]
  agentName: string
  allowedHosts: readonly string[]
}

/** What a thread is started with. */
export interface ThreadStart {
  brief: AdapterBrief
  times: ChannelTimes
  port: MessagePort
}
