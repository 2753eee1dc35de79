import { loadChannel } from '#kernel/channels/channels.ts'
import { channelSecretName } from '#kernel/channels/settings.ts'
import type { Context } from '#kernel/context.ts'
import type { Handlers } from '#kernel/http/handler.ts'
import { type DeliveryRow, listDeadLetters, listDeliveries, loadDelivery } from '#kernel/store/channel-outbox.ts'
import { deletePeer, listPeers } from '#kernel/store/channel-peers.ts'
import { type ChannelSecret, channelSecrets, type PlatformName } from '#sdk/channels/platforms.ts'
import type { channelsRoutes, DeadLetter, Delivery } from '#sdk/contracts/channels.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { newId } from '#sdk/ids.ts'

const testText = 'This is a test: messages from Keel arrive here.'

export const channelsHandlers: Handlers<typeof channelsRoutes, Pick<Context, 'store' | 'channels' | 'secrets'>> = {
  listChannels: (_, { channels }) => channels.liveStatus(),

  listDeadLetters({ query }, { store }) {
    const items = listDeadLetters(store.read, query.limit).map(deadLetterView)
    return { items, count: items.length }
  },

  replayDeadLetter({ params }, { channels }) {
    channels.outbox.replay(params.id)
    return { ok: true, id: params.id, status: 'pending' }
  },

  async discardDeadLetter({ params }, { channels }) {
    await channels.outbox.discard(params.id)
    return { ok: true, id: params.id, status: 'discarded' }
  },

  listDeliveries({ query }, { store }) {
    const { channel = null, status = null, limit } = query
    const deliveries = listDeliveries(store.read, { channel, status, limit }).map(deliveryView)
    return { deliveries, count: deliveries.length }
  },

  listPeers: (_, { store }) => ({ peers: listPeers(store.read) }),

  deletePeer({ params }, { store }) {
    if (!deletePeer(store.durable, params.id)) throw new RuntimeError('not_found', `peer ${params.id} not found`)
    return { deleted: true, id: params.id }
  },

  createPairingCode({ params, body }, { channels }) {
    const channel = loadChannel(params.channel)
    return { channel, authority: body.authority, ...channels.pairing.createCode(channel, body.authority) }
  },

  async testChannel({ params, body }, { channels }) {
    const channel = loadChannel(params.channel)
    const { chat_id, text = testText } = body
    const checked = await channels.check(channel)
    const message = { channel, chat_id: chat_id ?? '', thread_id: null, text, key: `test:${newId()}` }
    const delivery_id = checked.ok && chat_id !== undefined ? channels.send(message).id : null
    return { ...checked, channel, delivery_id }
  },

  sendMessage({ params, body }, { channels, store }) {
    const channel = loadChannel(params.channel)
    const { chat_id, thread_id = null, text, idempotency_key = newId() } = body
    const { id } = channels.send({ channel, chat_id, thread_id, text, key: `api:${idempotency_key}` })
    return { delivery_id: id, status: loadDelivery(store.read, id).status }
  },

  setChannelSecret({ params, body }, { channels, secrets }) {
    const { channel, secret } = loadSecret(params)
    secrets.put(channelSecretName(channel, secret), body.value.trim())
    channels.configure()
    return { stored: true, channel, secret }
  },

  deleteChannelSecret({ params }, { channels, secrets }) {
    const { channel, secret } = loadSecret(params)
    const removed = secrets.delete(channelSecretName(channel, secret))
    channels.configure()
    return { removed, channel, secret }
  },

  async restartChannel({ params }, { channels }) {
    const channel = loadChannel(params.channel)
    await channels.restart(channel)
    return { ok: true, channel }
  },
}

function deadLetterView(row: DeliveryRow): DeadLetter {
  const { id, channel, chat_id, content, idempotency_key, attempts, max_attempts } = row
  const { last_error, error_code, thread_id, created_at } = row
  return {
    id,
    channel,
    recipient_id: chat_id,
    content,
    idempotency_key,
    attempts,
    max_attempts,
    last_error,
    error_code,
    thread_id,
    created_at,
  }
}

function deliveryView(row: DeliveryRow): Delivery {
  const { status, parts_sent, next_retry_at, delivered_at, turn_id } = row
  return { ...deadLetterView(row), status, parts_sent, next_retry_at, delivered_at, turn_id }
}

function loadSecret(params: { channel: string; secret: string }): { channel: PlatformName; secret: ChannelSecret } {
  const channel = loadChannel(params.channel)
  const known: readonly ChannelSecret[] = channelSecrets[channel]
  const secret = known.find((name) => name === params.secret)
  if (!secret) throw new RuntimeError('not_found', `${channel} has no secret named ${params.secret}`)
  return { channel, secret }
}
