import type { Logger } from 'pino'
import type { Config } from '#kernel/config/schema.ts'
import type { ReadableDb } from '#kernel/store/database.ts'
import { platformName } from '#sdk/channels/platforms.ts'
import { chatsOfChannel } from './destination.ts'
import type { Outbox } from './outbox.ts'

/** Chats of one channel that are told. */
const maxChats = 100

interface AnnouncementDeps {
  read: ReadableDb
  config: Config
  log: Logger
  outbox: Pick<Outbox, 'queue'>
  isConfigured: (channel: string) => boolean
  /** Names this start of the kernel. */
  startId: string
}

/** Tells the chats of the channels that are to hear of it that Keel is there; once for each start. */
export function announceStart({ read, config, log, outbox, isConfigured, startId }: AnnouncementDeps): void {
  const wanted = config.channels.startup_announcements
  for (const channel of platformName.options) {
    if (!(wanted.includes('*') || wanted.includes(channel)) || !isConfigured(channel)) continue
    for (const chat of chatsOfChannel(channel, { read, settings: config }).slice(0, maxChats)) {
      try {
        outbox.queue({
          ...chat,
          key: `start:${startId}:${channel}:${chat.chat_id}`,
          text: `${config.agent.name} is online.`,
        })
      } catch (err) {
        log.warn({ err, channel }, 'the start could not be announced')
        break
      }
    }
  }
}
