import type { OutboundMessage } from '#sdk/channels/message.ts'
import type { PlatformName } from '#sdk/channels/platforms.ts'
import type { OutboundPart } from '../adapter.ts'
import { type FormattedPart, formatParts } from '../format/format-parts.ts'

type Content = Pick<OutboundPart, 'text' | 'plain' | 'file'>

/** The same parts whenever it is asked: those that were sent are known by their number alone. */
export function outboundParts(message: OutboundMessage, platform: PlatformName): OutboundPart[] {
  const { chat_id, thread_id, delivery_id, idempotency_key, subject } = message
  const texts = formatParts(message.text, platform).map(withoutFile)
  const files = message.attachments.flatMap((about, index): Content[] => {
    // What of a caption has no room beside the file follows it.
    const [caption = { text: '', plain: '' }, ...more] = formatParts(about.caption ?? '', platform)
    return [{ ...caption, file: { delivery_id, index, about } }, ...more.map(withoutFile)]
  })
  return [...texts, ...files].map((content, index) => ({
    ...content,
    chat_id,
    thread_id,
    index,
    key: `${idempotency_key}/${index}`,
    buttons: index === texts.length - 1 ? message.buttons : [],
    reply_to: index === 0 ? message.reply_to : null,
    replaces: index === 0 && content.file === null ? message.replaces : null,
    subject,
  }))
}

function withoutFile({ text, plain }: FormattedPart): Content {
  return { text, plain, file: null }
}
