import { SocketModeClient } from '@slack/socket-mode'
import type { Logger } from 'pino'
import { reasonOf } from '#sdk/errors.ts'
import { asPlatformError, clientLog, clientOptions } from './api.ts'

const startMs = 30_000
const leaveMs = 2_000

interface Envelope {
  /** Tells Slack that it need not come again. */
  ack(): Promise<void>
  body: unknown
}

export interface SocketStay {
  appToken: string
  apiUrl: string
  log: Logger
  /** Keeps what an envelope says. */
  keep(payload: unknown): Promise<void>
  /** Slack has spoken. */
  spoke(): void
}

/**
 * Follows Socket Mode until the signal ends it or Slack wants a new connection; throws when the connection is lost. An
 * envelope is acknowledged once it is kept, in order; what was not comes again from Slack.
 */
export async function followSocket({ appToken, apiUrl, log, keep, spoke }: SocketStay, signal: AbortSignal) {
  const over = Promise.withResolvers<void>()
  let failed = false
  let left = false
  const fail = (thrown: unknown) => {
    failed = true
    over.reject(thrown)
  }
  let inOrder = Promise.resolve()
  const client = new HeardSocketModeClient({
    appToken,
    logger: clientLog(log),
    autoReconnectEnabled: false,
    clientOptions: clientOptions(apiUrl, AbortSignal.any([signal, AbortSignal.timeout(startMs)])),
  })
  client.on('slack_event', ({ ack, body }: Envelope) => {
    inOrder = inOrder.then(async () => {
      if (failed || signal.aborted) return
      await keep(body)
      spoke()
      await ack().catch((thrown) => log.info({ reason: reasonOf(thrown) }, 'An envelope could not be acknowledged'))
    })
    inOrder.catch(fail)
  })
  client.on('unreadable', (thrown) => log.warn({ reason: reasonOf(thrown) }, 'An envelope of Slack can not be read'))
  // A connection that comes about after all is not left open.
  client.on('connected', () => (left ? void client.disconnect() : spoke()))
  client.on('error', (thrown) => fail(new Error(`The connection to Slack was lost: ${reasonOf(thrown)}`)))
  client.on('disconnected', over.resolve)
  const stop = () => over.resolve()
  signal.addEventListener('abort', stop)
  const startClock = setTimeout(() => fail(new Error('Slack did not say hello')), startMs)
  try {
    // What it rejects with when the connection closes first is nothing; `disconnected` and `error` say more.
    const started = client.start().catch((thrown) => thrown !== undefined && fail(asPlatformError(thrown)))
    await Promise.race([started, over.promise])
    clearTimeout(startClock)
    await over.promise
    await inOrder
  } finally {
    signal.removeEventListener('abort', stop)
    clearTimeout(startClock)
    left = true
    await leave(client)
  }
}

async function leave(client: SocketModeClient): Promise<void> {
  client.removeAllListeners('slack_event')
  const { promise, resolve } = Promise.withResolvers<void>()
  const clock = setTimeout(resolve, leaveMs)
  void client.disconnect().then(resolve)
  await promise
  clearTimeout(clock)
}

/** The library's reading of an envelope throws where nobody hears it when the envelope is not of the shape it expects. */
class HeardSocketModeClient extends SocketModeClient {
  protected override async onWebSocketMessage(data: string | ArrayBuffer, isBinary: boolean): Promise<void> {
    try {
      await super.onWebSocketMessage(data, isBinary)
    } catch (thrown) {
      this.emit('unreadable', thrown)
    }
  }
}
