import { channelBounds } from '#sdk/channels/message.ts'
import { type Platform, type PlatformName, platforms } from '#sdk/channels/platforms.ts'
import { type Block, joinSpans, paragraph, textOf } from './document.ts'
import { fitDocument } from './fit-document.ts'
import { type Markup, markups } from './markup.ts'
import { parseMarkdown } from './parse-markdown.ts'
import { splitBlocks } from './split.ts'
import { textSize } from './text-size.ts'

/** One message: in the platform's markup, and without any. Each is within what the platform takes. */
export interface FormattedPart {
  text: string
  plain: string
}

export const cutNote = 'The rest is not shown: the answer is longer than can be sent here.'

/** More parts than this say which they are. */
const unnumberedParts = 3

/** Markdown as the messages to be sent: none for a text in which there is nothing to see. */
export function formatParts(markdown: string, platform: PlatformName): FormattedPart[] {
  return formatFor(markdown, markups[platform], platforms[platform].text)
}

export function formatFor(markdown: string, markup: Markup, limit: Platform['text']): FormattedPart[] {
  const writer = writerFor(markup, limit)
  const blocks = fitDocument(parseMarkdown(markdown), markup, writer.share)
  const few = splitBlocks(blocks, { ...writer, parts: unnumberedParts + 1, ending: [], cut: [] })
  if (few.length <= unnumberedParts) return few.map(writer.write)
  const parts = splitBlocks(blocks, {
    ...writer,
    parts: channelBounds.parts,
    ending: [partNumber(channelBounds.parts, channelBounds.parts)],
    cut: [paragraph(cutNote)],
  })
  return parts.map((part, at) => {
    const number = parts.length > unnumberedParts ? [partNumber(at + 1, parts.length)] : []
    return writer.write([...part.slice(0, -1), ...number])
  })
}

/** The beginning of an answer that is still being written, as one message. */
export function draftText(markdown: string, platform: PlatformName): FormattedPart {
  return draftFor(markdown, markups[platform], platforms[platform].text)
}

/** How much of an unfinished answer is looked at, in lengths of a message. */
const draftLengths = 4

export function draftFor(markdown: string, markup: Markup, limit: Platform['text']): FormattedPart {
  const writer = writerFor(markup, limit)
  const start = markdown.slice(0, limit.most * draftLengths)
  const blocks = fitDocument(parseMarkdown(start), markup, writer.share)
  if (start.length < markdown.length) blocks.push(paragraph('…'))
  const [part = []] = splitBlocks(blocks, { ...writer, parts: 1, ending: [], cut: [paragraph('…')] })
  return writer.write(withEllipsis(part))
}

/** An ellipsis that stands by itself moves to the end of the text before it, where there is text. */
function withEllipsis(part: Block[]): Block[] {
  const last = part.at(-1)
  const before = part.at(-2)
  if (last?.kind !== 'text' || before?.kind !== 'text' || textOf(last.spans) !== '…') return part
  return [...part.slice(0, -2), { ...before, spans: joinSpans([...before.spans, { text: '…' }]) }]
}

function partNumber(number: number, parts: number): Block {
  return paragraph(`(${number}/${parts})`)
}

const unitsOfCodePoint = 2

function writerFor(markup: Markup, { most, unit }: Platform['text']) {
  const write = (blocks: readonly Block[]) => ({ text: markup.render(blocks), plain: markup.plain(blocks) })
  function share(blocks: readonly Block[]): number {
    const { text, plain } = write(blocks)
    return Math.max(textSize(text, unit), textSize(plain, unit)) / most
  }
  return { write, share, most: unit === 'codepoint' ? most * unitsOfCodePoint : most }
}
