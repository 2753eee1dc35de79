import { z } from 'zod'
import type { TelegramBot } from './api.ts'

/** Offsets and lengths are in UTF-16 code units. */
export const messageEntity = z.object({
  type: z.string(),
  offset: z.number().int().min(0),
  length: z.number().int().min(1),
  user: z.object({ id: z.number() }).optional().catch(undefined),
})
export type MessageEntity = z.infer<typeof messageEntity>

/** How a text speaks to the bot: whether it names it, and what it says besides. Names of bots know no case. */
export function readAddress(
  text: string,
  entities: readonly MessageEntity[],
  bot: TelegramBot,
): { named: boolean; text: string } {
  const own = `@${bot.username.toLowerCase()}`
  const words = ({ offset, length }: MessageEntity) => text.slice(offset, offset + length).toLowerCase()
  const isMention = (entity: MessageEntity) =>
    (entity.type === 'mention' && words(entity) === own) ||
    (entity.type === 'text_mention' && entity.user?.id === bot.id)
  const isCommand = (entity: MessageEntity) => entity.type === 'bot_command' && words(entity).endsWith(own)
  const first = entities.find(({ offset }) => offset === 0)
  if (first && isMention(first)) return { named: true, text: text.slice(first.length).trimStart() }
  if (first && isCommand(first)) {
    return { named: true, text: text.slice(0, first.length - own.length) + text.slice(first.length) }
  }
  return { named: entities.some((entity) => isMention(entity) || isCommand(entity)), text }
}
