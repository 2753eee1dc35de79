import type { Platform } from '#sdk/channels/platforms.ts'

/** How long a text is in a platform's unit. */
export function textSize(text: string, unit: Platform['text']['unit']): number {
  switch (unit) {
    case 'utf16':
      return text.length
    case 'byte':
      return Buffer.byteLength(text)
    case 'codepoint': {
      let size = 0
      for (const _ of text) size += 1
      return size
    }
  }
}
