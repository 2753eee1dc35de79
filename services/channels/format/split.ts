import { type Block, type CodeBlock, sliceSpans, type TextBlock, textOf } from './document.ts'
import { isBlank } from './visible-text.ts'

export interface Room {
  /** Whether these blocks, written out, are no longer than a part may be. */
  fits(blocks: readonly Block[]): boolean
  /** No part holds more UTF-16 units of text than this, however they are written: what has more need not be tried. */
  most: number
  parts: number
  /** Ends every part. */
  ending: readonly Block[]
  /** Ends the last part, before `ending`, where the blocks take more than `parts`. */
  cut: readonly Block[]
}

/**
 * The blocks in parts: as many whole blocks in each as fit; one that is too long for a part by itself is cut. All that
 * a piece stands in is there again in the next: its style, quote, list and fence.
 */
export function splitBlocks(blocks: readonly Block[], room: Room): Block[][] {
  const rest = [...blocks]
  const split: Block[][] = []
  let at = 0
  while (at < rest.length && split.length < room.parts) {
    let ending = room.ending
    let whole = wholeBlocks(rest, at, room, ending)
    if (split.length === room.parts - 1 && at + whole < rest.length) {
      ending = [...room.cut, ...ending]
      whole = wholeBlocks(rest, at, room, ending)
    }
    const part = rest.slice(at, at + whole)
    at += whole
    const next = rest[at]
    if (next && (whole === 0 || !room.fits([next, ...room.ending]))) {
      const { head, tail } = cutBlock(next, room.most, whole === 0, (piece) => room.fits([...part, piece, ...ending]))
      if (head) part.push(head)
      if (tail) rest[at] = tail
      else at += 1
    }
    if (part.length > 0) split.push([...part, ...ending])
  }
  return split
}

/** How many blocks from `at` on fit: their number is doubled until they don't, then searched between. */
function wholeBlocks(blocks: readonly Block[], at: number, { fits, most }: Room, ending: readonly Block[]): number {
  let candidates = 0
  for (let size = 0; at + candidates < blocks.length; candidates += 1) {
    size += 1 + textLength(blocks[at + candidates] as Block)
    if (size > most) break
  }
  const holds = (count: number) => fits([...blocks.slice(at, at + count), ...ending])
  let fitting = 0
  let tried = Math.min(1, candidates)
  while (tried > fitting && holds(tried)) {
    fitting = tried
    tried = Math.min(tried * 2, candidates)
  }
  return largest(fitting, Math.max(fitting, tried - 1), holds)
}

/** The largest number up to `high` that holds, given that `low` does and that all below one that holds do too. */
function largest(low: number, high: number, holds: (number: number) => boolean): number {
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (holds(middle)) low = middle
    else high = middle - 1
  }
  return low
}

function textLength(block: Block): number {
  if (block.kind === 'code') return block.text.length
  return block.kind === 'text' ? block.spans.reduce((size, { text }) => size + text.length, 0) : 0
}

interface Pieces {
  head: Block | null
  tail: Block | null
}

/** `must`: the head is taken whether it fits or not, so that there is an end. */
function cutBlock(block: Block, most: number, must: boolean, fits: (head: Block) => boolean): Pieces {
  if (block.kind !== 'text' && block.kind !== 'code') return must ? { head: block, tail: null } : uncut(block)
  const text = block.kind === 'code' ? block.text : textOf(block.spans)
  const piece = (from: number, to: number) => slice(block, from, to)
  const fitting = largest(0, Math.min(text.length, most), (length) => fits(piece(0, length)))
  if (fitting === 0 && !must) return uncut(block)
  let headEnd = cutPoint(text, fitting)
  let tailStart = headEnd
  if (block.kind === 'code') {
    if (text[headEnd] === '\n') tailStart += 1
  } else {
    headEnd = text.slice(0, headEnd).trimEnd().length
    tailStart = text.length - text.slice(tailStart).trimStart().length
  }
  return {
    head: isBlank(text.slice(0, headEnd)) ? null : piece(0, headEnd),
    tail: isBlank(text.slice(tailStart)) ? null : { ...piece(tailStart, text.length), begins: [] },
  }
}

function uncut(block: Block): Pieces {
  return { head: null, tail: block }
}

function slice(block: TextBlock | CodeBlock, from: number, to: number): TextBlock | CodeBlock {
  if (block.kind === 'code') return { ...block, text: block.text.slice(from, to) }
  return { ...block, spans: sliceSpans(block.spans, from, to) }
}

const graphemes = new Intl.Segmenter('und', { granularity: 'grapheme' })

/** The last end of a line up to `fitting`, or of a word, if not too much is left empty for it; else of a grapheme. */
function cutPoint(text: string, fitting: number): number {
  if (fitting >= text.length) return text.length
  const clusters = graphemes.segment(text.slice(0, fitting * 2 + 2))
  const startsCluster = (at: number) => clusters.containing(at)?.index === at
  const earliest = fitting / 2
  const line = text.lastIndexOf('\n', fitting)
  if (line > earliest && startsCluster(line + 1)) return line
  for (let at = fitting; at > earliest; at -= 1) {
    if (/\s/.test(text[at] as string) && startsCluster(at) && startsCluster(at + 1)) return at
  }
  const cluster = clusters.containing(fitting)?.index ?? 0
  if (cluster > 0) return cluster
  // One grapheme that is too long for a part: a letter under a heap of marks.
  const firstLength = (text.codePointAt(0) ?? 0) > 0xff_ff ? 2 : 1
  return Math.max(firstLength, isLowSurrogate(text, fitting) ? fitting - 1 : fitting)
}

function isLowSurrogate(text: string, at: number): boolean {
  const unit = text.charCodeAt(at)
  return unit >= 0xdc_00 && unit <= 0xdf_ff
}
