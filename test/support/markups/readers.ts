import type { PlatformName } from '#sdk/channels/platforms.ts'
import { readDiscord } from './discord.ts'
import { readMarkdownV2 } from './markdown-v2.ts'
import { readHtml } from './strict-html.ts'
import { readMrkdwn, readWhatsApp } from './word-marks.ts'

/** What a person sees of a message on each platform; each throws for a message that is not valid there. */
export const readers: Readonly<Record<PlatformName, (source: string) => string>> = {
  telegram: readMarkdownV2,
  whatsapp: readWhatsApp,
  discord: readDiscord,
  slack: readMrkdwn,
  matrix: readHtml,
  email: readHtml,
  signal: (source) => source,
}
