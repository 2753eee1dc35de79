import { expect, test } from 'vitest'
import { type Platform, type PlatformName, platformName, platforms } from '#sdk/channels/platforms.ts'
import { draftFor, type FormattedPart, formatFor } from '../../services/channels/format/format-parts.ts'
import { markups } from '../../services/channels/format/markup.ts'
import { textSize } from '../../services/channels/format/text-size.ts'
import { markdownDocument, markdownSoup } from '../support/markdown-documents.ts'
import { readers } from '../support/markups/readers.ts'
import { seededRandom } from '../support/seeded-random.ts'

const documents = 200
const soups = 800
const unbounded = { most: 10_000_000, unit: 'utf16' } as const

/** Shorter than the platforms allow, so that small documents are cut in many places. */
const short: Record<Platform['markup'], number> = {
  markdown_v2: 320,
  whatsapp: 320,
  discord: 320,
  mrkdwn: 320,
  plain: 320,
  html: 3_000,
}

for (const platform of platformName.options) {
  const { text: limit, markup } = platforms[platform]
  const limits = [{ ...limit, most: short[markup] }, limit]

  test(`${platform}: every part of a document is valid and fits, and together they show all of it`, () => {
    for (let seed = 1; seed <= documents; seed += 1) {
      const { markdown, visible } = markdownDocument(seededRandom(seed))
      for (const bound of limits) {
        const parts = formatFor(markdown, markups[platform], bound)
        holdsFor(parts, platform, bound, seed)
        expect(shown(parts, platform), `seed ${seed}`).toBe(comparable(visible(platform), platform))
      }
    }
  }, 120_000)

  test(`${platform}: of whatever is thrown together every part is valid and fits, and none is lost at a cut`, () => {
    for (let seed = 1; seed <= soups; seed += 1) {
      const soup = markdownSoup(seededRandom(seed))
      const whole = shown(formatFor(soup, markups[platform], unbounded), platform)
      for (const bound of limits) {
        const parts = formatFor(soup, markups[platform], bound)
        holdsFor(parts, platform, bound, seed)
        expect(shown(parts, platform), `seed ${seed}`).toBe(whole)
      }
      holdsFor(
        [draftFor(soup.slice(0, seed % soup.length), markups[platform], limits[0] as typeof limit)],
        platform,
        limit,
        seed,
      )
    }
  }, 120_000)
}

function holdsFor(parts: FormattedPart[], platform: PlatformName, { most, unit }: Platform['text'], seed: number) {
  for (const { text, plain } of parts) {
    expect(textSize(text, unit), `seed ${seed}`).toBeLessThanOrEqual(most)
    expect(textSize(plain, unit), `seed ${seed}`).toBeLessThanOrEqual(most)
    expect(text.isWellFormed() && plain.isWellFormed(), `seed ${seed}`).toBe(true)
    for (const sent of [text, plain]) {
      expect(sent, `seed ${seed}`).not.toMatch(/[\u202A-\u202E\u2060-\u2069\u{E0000}-\u{E007F}]/u)
      expect(sent, `seed ${seed}`).not.toMatch(pings[platform] ?? /(?!)/)
    }
  }
}

/** What calls people, on the platforms where text alone can. */
const pings: Partial<Record<PlatformName, RegExp>> = {
  discord: /@everyone|@here|<@[!&]?\d/i,
  slack: /<[!@#]/,
  matrix: /@room/i,
}

/** What is seen of all parts, less white space, what is put in to keep signs apart, and each part's number. */
function shown(parts: FormattedPart[], platform: PlatformName): string {
  return parts
    .map(({ text }, at) => {
      let seen: string
      try {
        seen = comparable(readers[platform](text), platform)
      } catch (error) {
        throw new Error(`Invalid: ${text}`, { cause: error })
      }
      if (parts.length <= 3) return seen
      const number = `(${at + 1}/${parts.length})`
      expect(seen.endsWith(number)).toBe(true)
      return seen.slice(0, -number.length)
    })
    .join('')
}

const lookAlikes: Record<string, string> = { '∗': '*', '＿': '_', '∼': '~', ˋ: '`', '¦': '|' }

function comparable(text: string, platform: PlatformName): string {
  // Plain text does not tell a quote's sign from one in the text.
  const unquoted = platforms[platform].markup === 'plain' ? text.replaceAll('>', '') : text
  return unquoted
    .replace(/[\s\u200B─]/g, '')
    .replace(/[∗＿∼ˋ¦]/g, (sign) => lookAlikes[sign] as string)
    .replace(/%(2A|5F|7E|60|7C|28|29|40|5C)/g, (encoded) => decodeURIComponent(encoded))
}
