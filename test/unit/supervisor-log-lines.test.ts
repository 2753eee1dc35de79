import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { readLogLines } from '#kernel/supervisor/log-lines.ts'

/** The lines read from these pieces, each written when the clock shows its second. */
async function linesOf(pieces: { bytes: Buffer | string; second?: number }[]): Promise<string[]> {
  const stream = new PassThrough()
  const lines: string[] = []
  let second = 1
  readLogLines(
    stream,
    (line) => lines.push(line),
    () => second * 1000,
  )
  const ended = once(stream, 'end')
  for (const piece of pieces) {
    second = piece.second ?? second
    const read = once(stream, 'data')
    stream.write(piece.bytes)
    await read
  }
  stream.end()
  await ended
  return lines
}

test('a letter cut between two pieces stays whole, as does a line', async () => {
  const bytes = Buffer.from('eins\ngrüße\nzwei')
  const insideTheLetter = bytes.indexOf(Buffer.from('ü')) + 1
  const pieces = [bytes.subarray(0, insideTheLetter), bytes.subarray(insideTheLetter)]
  expect(await linesOf(pieces.map((piece) => ({ bytes: piece })))).toEqual(['eins', 'grüße', 'zwei'])
})

test('a line without an end is cut, and the next one is read', async () => {
  const piece = { bytes: 'x'.repeat(60_000) }
  const lines = await linesOf([piece, piece, piece, { bytes: '\nnext\n' }])
  expect(lines.at(-1)).toBe('next')
  expect(lines[0]).toMatch(/^x{16384}/)
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(17_000)
})

test('more lines than fit in a second are counted, and the next second is heard', async () => {
  const lines = await linesOf([
    { bytes: 'calm\n', second: 1 },
    { bytes: 'babble\n'.repeat(700), second: 2 },
    { bytes: 'calm again\n', second: 3 },
  ])
  expect(lines.filter((line) => line === 'babble')).toHaveLength(500)
  expect(lines.slice(-2)).toEqual(['200 lines were left out', 'calm again'])
})
