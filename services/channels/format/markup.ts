import type { PlatformName } from '#sdk/channels/platforms.ts'
import type { Block } from './document.ts'
import { discord } from './markups/discord.ts'
import { html } from './markups/html.ts'
import { markdownV2 } from './markups/markdown-v2.ts'
import { mrkdwn } from './markups/mrkdwn.ts'
import { plain } from './markups/plain.ts'
import { whatsapp } from './markups/whatsapp.ts'

/** How a platform writes a document. Whatever blocks it is given, what it writes is valid by itself. */
export interface Markup {
  render(blocks: readonly Block[]): string
  /** The same for who reads no markup: still nothing in it is taken for a command or a mention by the platform. */
  plain(blocks: readonly Block[]): string
  /** Where links may lead that stand behind their text; where there are none, addresses are written out. */
  linkSchemes: readonly string[]
  tables: boolean
}

export const markups: Readonly<Record<PlatformName, Markup>> = {
  telegram: markdownV2,
  whatsapp,
  discord,
  slack: mrkdwn,
  matrix: html({ styled: false }),
  email: html({ styled: true }),
  signal: plain,
}
