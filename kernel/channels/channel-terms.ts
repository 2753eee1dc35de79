import type { Logger } from 'pino'
import type { EventBus } from '#kernel/events/bus.ts'
import { loadDelivery } from '#kernel/store/channel-outbox.ts'
import { findCursor, setCursor } from '#kernel/store/channel-webhooks.ts'
import type { Store } from '#kernel/store/store.ts'
import type { OutboundAttachment } from '#sdk/channels/message.ts'
import type { PlatformName } from '#sdk/channels/platforms.ts'
import { RuntimeError } from '#sdk/errors.ts'
import type { ServiceHandlers } from '#sdk/service.ts'
import type { AdapterState, ChannelSettings } from '#sdk/services/channels.ts'
import type { kernelForChannels } from '#sdk/services/kernel.ts'
import { announceDeadLetters, keepUpdates } from './accept-updates.ts'
import type { HeldFiles } from './held-files.ts'

interface TermsDeps {
  store: Store
  bus: EventBus
  log: Logger
  files: Pick<HeldFiles, 'read'>
  settings: () => ChannelSettings
  isClosing: () => boolean
  onUpdates: (channel: PlatformName) => void
  onState: (state: AdapterState) => void
}

/** What the channels service may ask of the kernel. */
export function channelTerms(deps: TermsDeps): ServiceHandlers<typeof kernelForChannels> {
  const { store, files, settings, isClosing, onUpdates, onState } = deps
  return {
    start: settings,

    cursor: ({ channel }) => ({ cursor: findCursor(store.read, channel) }),

    async accept({ channel, updates, cursor }) {
      await store.free()
      // The next kernel is brought what this one has not taken.
      if (isClosing()) throw new RuntimeError('unavailable', 'Keel is stopping')
      const kept = store.durable.transaction(() => {
        if (cursor !== null) setCursor(store.durable, channel, cursor)
        return keepUpdates(store.durable, channel, updates)
      })()
      announceDeadLetters(channel, kept, deps)
      onUpdates(channel)
      return { accepted: kept.accepted }
    },

    async readAttachment({ delivery_id, index, offset }) {
      const { status, attachments_json } = loadDelivery(store.read, delivery_id)
      const attachments = JSON.parse(attachments_json) as OutboundAttachment[]
      if (status !== 'in_flight' || !attachments[index] || offset < 0)
        throw new RuntimeError('not_found', `delivery ${delivery_id} has no such file to be sent now`)
      return { data: (await files.read(delivery_id, index, offset)).toString('base64') }
    },

    reportAdapter(state) {
      onState(state)
      return null
    },
  }
}
