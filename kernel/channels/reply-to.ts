import type { InboundMessage } from '#sdk/channels/message.ts'
import type { PlatformName } from '#sdk/channels/platforms.ts'

/** Where others speak as well, and in mail, an answer names what it answers. */
export function replyTo(
  channel: PlatformName,
  { chat_kind, message_id }: Pick<InboundMessage, 'chat_kind' | 'message_id'>,
): string | null {
  return chat_kind === 'group' || channel === 'email' ? message_id : null
}
