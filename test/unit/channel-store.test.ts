import { expect, test } from 'vitest'
import {
  findDirectChat,
  findUpdateOfTurn,
  findWaitingMessage,
  hasSpokenIn,
  listInboxHeads,
  listWorkingUpdates,
  pruneStrangers,
  pruneUpdates,
} from '#kernel/store/channel-inbox.ts'
import {
  countOpenDeliveries,
  findDeliveryOfMessage,
  listDeadLetters,
  listDeliveryHeads,
  pruneDeliveries,
} from '#kernel/store/channel-outbox.ts'
import { firstWebhook } from '#kernel/store/channel-webhooks.ts'
import type { WritableDb } from '#kernel/store/database.ts'
import { planOf } from '../support/query-plan.ts'
import { temporaryStore } from '../support/temp-store.ts'

const message = { chat_id: '1', sender_id: '1', message_id: '1' }

test.each<[string, string, (db: WritableDb) => unknown]>([
  ['the first update of each conversation', 'channel_inbox_new', (db) => listInboxHeads(db, 'telegram')],
  ['a message that waits', 'channel_inbox_new', (db) => findWaitingMessage(db, 'telegram', message)],
  ['what is under way', 'channel_inbox_working', (db) => listWorkingUpdates(db)],
  ['the update of a turn', 'channel_inbox_by_turn', (db) => findUpdateOfTurn(db, 'turn')],
  ['a direct chat', 'channel_inbox_by_sender', (db) => findDirectChat(db, 'telegram', '1')],
  ['what was said in a chat', 'channel_inbox_by_chat', (db) => hasSpokenIn(db, 'telegram', '1')],
  ['updates of long ago', 'channel_inbox_by_age', (db) => pruneUpdates(db, '', 1)],
  ['strangers’ updates', 'channel_inbox_strangers', (db) => pruneStrangers(db, '', 1)],
  ['the first webhook', 'channel_webhooks_by_channel', (db) => firstWebhook(db, 'telegram')],
  ['the first message to each conversation', 'channel_outbox_open', (db) => listDeliveryHeads(db, 'telegram')],
  ['how many messages wait', 'channel_outbox_open', (db) => countOpenDeliveries(db, 'telegram')],
  ['the newest dead letters', 'channel_outbox_dead', (db) => listDeadLetters(db, 1)],
  ['the delivery of a message', 'channel_outbox_done', (db) => findDeliveryOfMessage(db, 'telegram', 'm')],
  ['deliveries of long ago', 'channel_outbox_done', (db) => pruneDeliveries(db, '', 1)],
])('%s: found by its index', (_, index, work) => {
  const { store } = temporaryStore()
  const sorts = index.endsWith('_new') || index === 'channel_outbox_open'
  expect(planOf(store, work, { sorts })).toContain(index)
})
