import type { Readable } from 'node:stream'

/** A longer line is cut here, in characters. */
const maxLineLength = 16_384
/** More lines than this in one second are counted and left out. */
const maxLinesPerSecond = 500
/** Once lines are left out, what the child writes is read in sips, so long apart, in milliseconds. */
const sipMs = 10

/** Hands on each line of a child's output, bounded in length and rate, so that a child that babbles can not drown the log. */
export function readLogLines(stream: Readable, onLine: (line: string) => void, now: () => number = Date.now): void {
  let held = ''
  let second = 0
  let lines = 0
  let dropped = 0

  function tellDropped() {
    if (dropped > 0) onLine(`${dropped} lines were left out`)
    lines = 0
    dropped = 0
  }

  function take(line: string) {
    const current = Math.floor(now() / 1000)
    if (current !== second) {
      tellDropped()
      second = current
    }
    lines += 1
    if (lines > maxLinesPerSecond) dropped += 1
    else if (line.trim() !== '') onLine(line)
  }

  stream.setEncoding('utf8')
  stream.on('data', (text: string) => {
    const parts = (held + text).split('\n')
    held = (parts.pop() ?? '').slice(0, maxLineLength)
    for (const line of parts) take(line.slice(0, maxLineLength))
    if (dropped === 0) return
    // Lines that nobody will see are not worth the time of those who wait for answers.
    stream.pause()
    setTimeout(() => stream.resume(), sipMs)
  })
  stream.on('end', () => {
    take(held)
    tellDropped()
  })
}
