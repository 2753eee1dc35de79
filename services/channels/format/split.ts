import {
  type Block,
  type CodeBlock,
  sliceSpans,
  type TextBlock,
  textOf as textOfSpans,
  trimSpansStart,
} from './document.ts'
import { isBlank } from './visible-text.ts'

export interface Room {
  /** How much of a part these blocks take, written out: no more than 1 fits. */
  share(blocks: readonly Block[]): number
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
    if (next && (whole === 0 || isTooLong(next, room))) {
      const { head, tail } = cutBlock(next, room.most, whole === 0, (piece) => room.share([...part, piece, ...ending]))
      if (head) part.push(head)
      if (tail) rest[at] = tail
      else at += 1
    }
    if (part.length > 0) split.push([...part, ...ending])
  }
  return split
}

function wholeBlocks(blocks: readonly Block[], at: number, { share, most }: Room, ending: readonly Block[]): number {
  let candidates = 0
  for (let length = 0; at + candidates < blocks.length; candidates += 1) {
    length += 1 + textLength(blocks[at + candidates] as Block)
    if (length > most) break
  }
  return fill(candidates, (count) => share([...blocks.slice(at, at + count), ...ending]))
}

function isTooLong(block: Block, { share, most, ending }: Room): boolean {
  return textLength(block) > most || share([block, ...ending]) > 1
}

/** A part that is as full as this is full. */
const full = 0.97

/** The largest number up to `most` whose share is no more than 1, or one that is nearly full. Shares grow with numbers. */
function fill(most: number, share: (number: number) => number): number {
  let low = 0
  let over = most + 1
  let tried = most
  for (let tries = 1; over - low > 1; tries += 1) {
    const taken = share(tried)
    if (taken > 1) over = tried
    else low = tried
    if (taken <= 1 && taken >= full) break
    // As if each took the same; now and then the middle instead, for some take far more than others.
    const even = Math.floor(tried / taken)
    tried = tries % 3 === 0 || even <= low || even >= over ? Math.floor((low + over) / 2) : even
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
function cutBlock(block: Block, most: number, must: boolean, share: (head: Block) => number): Pieces {
  if (block.kind !== 'text' && block.kind !== 'code') return must ? { head: block, tail: null } : uncut(block)
  const length = textLength(block)
  const fitting = fill(Math.min(length, most), (end) => share(slice(block, 0, end)))
  if (fitting === 0 && !must) return uncut(block)
  const cut = cutPoint(textOf(slice(block, 0, fitting + nextSign)), fitting, must)
  if (cut === 0) return uncut(block)
  const { head, tail } = block.kind === 'code' ? cutCode(block, cut) : cutText(block, cut)
  return { head: isBlank(textOf(head)) ? null : head, tail: textLength(tail) === 0 ? null : { ...tail, begins: [] } }
}

function cutCode(block: CodeBlock, cut: number) {
  const next = block.text[cut] === '\n' ? cut + 1 : cut
  return { head: { ...block, text: block.text.slice(0, cut) }, tail: { ...block, text: block.text.slice(next) } }
}

/** Without the white space at the cut. */
function cutText(block: TextBlock, cut: number) {
  const length = textOf(slice(block, 0, cut)).trimEnd().length
  const tail = trimSpansStart(sliceSpans(block.spans, cut, textLength(block)))
  return { head: slice(block, 0, length), tail: { ...block, spans: tail } }
}

function uncut(block: Block): Pieces {
  return { head: null, tail: block }
}

function textOf(block: TextBlock | CodeBlock): string {
  return block.kind === 'code' ? block.text : textOfSpans(block.spans)
}

function slice(block: TextBlock | CodeBlock, from: number, to: number): TextBlock | CodeBlock {
  if (block.kind === 'code') return { ...block, text: block.text.slice(from, to) }
  return { ...block, spans: sliceSpans(block.spans, from, to) }
}

const graphemes = new Intl.Segmenter('und', { granularity: 'grapheme' })

/** What has to be seen after a place to tell whether a grapheme ends there, in UTF-16 units. */
const nextSign = 4

/**
 * The last end of a line up to `fitting`, or of a word. Where it `must` be cut, one that leaves most of the room empty is
 * passed over for the end of a grapheme; else 0 where there is none.
 */
function cutPoint(text: string, fitting: number, must: boolean): number {
  if (fitting >= text.length) return text.length
  const clusters = graphemes.segment(text)
  const startsCluster = (at: number) => clusters.containing(at)?.index === at
  const earliest = must ? fitting / 2 : 0
  const line = text.lastIndexOf('\n', fitting)
  if (line > earliest && startsCluster(line + 1)) return line
  for (let at = fitting; at > earliest; at -= 1) {
    if (/\s/.test(text[at] as string) && startsCluster(at) && startsCluster(at + 1)) return at
  }
  if (!must) return 0
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
