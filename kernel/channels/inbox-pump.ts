import type { Logger } from 'pino'
import {
  findUpdate,
  type InboxRow,
  listInboxHeads,
  listWorkingUpdates,
  markDone,
  postponeUpdate,
  strangerReason,
} from '#kernel/store/channel-inbox.ts'
import { StoreError } from '#kernel/store/store-fault.ts'
import { channelUpdate, type InboundMessage, type InboundPress } from '#sdk/channels/message.ts'
import { timestamp } from '#sdk/ids.ts'
import type { Client } from '#sdk/service.ts'
import type { channelsService } from '#sdk/services/channels.ts'
import { doneIn, rootSpan } from '#sdk/telemetry/tracing.ts'
import { apology } from './answer-turn.ts'
import { conversationKey } from './conversation.ts'
import { type Handled, handleMessage, type MessageDeps } from './handle-message.ts'
import { handlePress, type PressDeps } from './handle-press.ts'
import { LanePump } from './lane-pump.ts'
import type { Outbox } from './outbox.ts'
import type { Pairing } from './pairing.ts'
import { replyTo } from './reply-to.ts'

/** Conversations of one channel that are handled at once, and turns of it under way. */
const conversationsAtOnce = 8
export const turnsAtOnce = 8
/** An update that so many tries could not handle is given up, with an apology. */
const maxAttempts = 5
/** How long it waits after its first failure, and by what factor that grows, in milliseconds. */
const backOff = { firstMs: 1_000, factor: 4 }
export interface InboxDeps extends Omit<MessageDeps, 'service'>, Omit<PressDeps, 'service'> {
  service: () => Pick<Client<typeof channelsService>, 'fetchMedia' | 'answerPress'>
  log: Logger
  outbox: Outbox
  pairing: Pairing
}

/** Handles what came in: in order for each conversation, several conversations at once. */
export class InboxPump extends LanePump<InboxRow> {
  constructor(deps: InboxDeps) {
    super(
      {
        what: 'handling messages',
        most: conversationsAtOnce,
        heads: (channel) => listInboxHeads(deps.store.read, channel),
        laneOf: conversationKey,
        dueAt: ({ not_before }) => not_before,
        async work(row, signal) {
          await doneIn(receivedSpan(row), () => handleUpdate(row, signal, deps))
          return 0
        },
      },
      deps.log,
    )
  }
}

/** Turns of the channel that are being thought about; those that wait for a person are not. */
export function countBusyTurns(channel: string, { store, turns }: Pick<InboxDeps, 'store' | 'turns'>): number {
  return listWorkingUpdates(store.read).filter(
    (row) => row.channel === channel && row.turn_id !== null && turns().find(row.turn_id)?.live.parked === false,
  ).length
}

/** What it leads to is of the same trace. */
function receivedSpan({ channel, attempts }: InboxRow) {
  const attributes = {
    'messaging.system': channel,
    'messaging.operation.type': 'process',
    'keel.update.attempt': attempts + 1,
  }
  return rootSpan(`process ${channel}`, { kind: 'consumer', attributes })
}

async function handleUpdate(row: InboxRow, signal: AbortSignal, deps: InboxDeps): Promise<void> {
  const update = channelUpdate.parse(JSON.parse(row.update_json))
  if (update.type === 'receipt') return done(row, 'a receipt', deps)
  const isLastTry = row.attempts + 1 >= maxAttempts
  try {
    if (update.type === 'press') return done(row, handlePress(row, update, deps), deps)
    const handled = await handleMessage(row, update, { signal, isLastTry }, deps)
    record(row, update, handled, deps)
  } catch (thrown) {
    if (signal.aborted) return
    if (thrown instanceof StoreError) throw thrown
    fail(row, update, thrown, isLastTry, deps)
  }
}

function record(row: InboxRow, message: InboundMessage, handled: Handled, deps: InboxDeps): void {
  switch (handled.kind) {
    case 'working':
      break
    case 'waits':
      postpone(row, handled.ms, row.attempts, deps)
      break
    case 'ignored':
      done(row, handled.reason, deps)
      break
    case 'replied':
      reply(row, message, handled, deps)
      break
    case 'pairing':
      pair(row, message, deps)
  }
}

function done({ id }: InboxRow, reason: string | null, { store }: InboxDeps): void {
  markDone(store.durable, id, reason)
}

function postpone({ id }: InboxRow, ms: number, attempts: number, { store }: InboxDeps): void {
  postponeUpdate(store.write, id, { not_before: timestamp(Date.now() + ms), attempts })
}

function reply(
  { id, channel, chat_id, thread_id }: InboxRow,
  message: InboundMessage,
  { text, reason }: { text: string; reason: string | null },
  { store, outbox }: InboxDeps,
): void {
  store.durable.transaction(() => {
    if (!markDone(store.durable, id, reason)) return
    const reply_to = replyTo(channel, message)
    outbox.put(store.durable, { channel, chat_id, thread_id, key: `inbox:${id}`, text, reply_to })
  })()
}

/** A code, right or wrong, is answered at most as often as it may be guessed. */
function pair(row: InboxRow, message: InboundMessage, deps: InboxDeps): void {
  const { store, pairing } = deps
  const redeemed = store.durable.transaction(() => {
    const result = pairing.redeem(row.channel, message, store.durable)
    if (result === 'silent') done(row, strangerReason, deps)
    else if (result === 'wrong') reply(row, message, { text: 'That code is not valid.', reason: 'wrong code' }, deps)
    else reply(row, message, { text: 'We are paired now. Write to me whenever you like.', reason: null }, deps)
    return result
  })()
  if (redeemed === 'wrong') pairing.noteWrong(row.channel, row.sender_id)
  else if (redeemed !== 'silent') pairing.announce(redeemed)
}

function fail(
  row: InboxRow,
  update: InboundMessage | InboundPress,
  thrown: unknown,
  isLastTry: boolean,
  deps: InboxDeps,
): void {
  const { store, log } = deps
  const { id, channel } = row
  // What has begun is its turn's to end.
  if (findUpdate(store.read, id)?.state !== 'new') throw thrown
  if (!isLastTry) {
    const attempts = row.attempts + 1
    log.warn({ err: thrown, channel, update_id: id, attempts }, 'a message could not be handled for now')
    postpone(row, backOff.firstMs * backOff.factor ** row.attempts, attempts, deps)
    return
  }
  log.error({ err: thrown, channel, update_id: id }, 'a message could not be handled and was given up')
  const isOwed = update.type === 'message' && deps.grantsOf(channel, update).length > 0
  if (isOwed) reply(row, update, { text: apology, reason: 'failed' }, deps)
  else done(row, 'failed', deps)
}
