import type { MediaKind } from '#sdk/channels/platforms.ts'

/** What a file of this content type is. */
export function mediaKindOf(contentType: string | null): MediaKind {
  const family = contentType?.split('/')[0]?.toLowerCase()
  return family === 'image' || family === 'audio' || family === 'video' ? family : 'document'
}
