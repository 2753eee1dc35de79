import { once } from 'node:events'
import { duplexPair } from 'node:stream'
import { expect, test } from 'vitest'
import { socketChannel } from '#sdk/rpc/socket-channel.ts'

function openPair(limit?: number) {
  const [left, right] = duplexPair()
  const frames: string[] = []
  const oversize: number[] = []
  const channel = socketChannel(left, { maxFrameBytes: limit, onOversize: (bytes) => oversize.push(bytes) })
  channel.onFrame((frame) => frames.push(frame))
  return { channel, left, right, frames, oversize }
}

async function write(right: NodeJS.WritableStream, ...pieces: (string | Buffer)[]) {
  for (const piece of pieces) await new Promise((resolve) => right.write(piece, resolve))
}

test('lines are read wherever the bytes are cut, letters of several bytes too', async () => {
  const { channel, right, frames } = openPair()
  const bytes = Buffer.from('{"ö":1}\n\n{"b":2}\n{"c"')
  for (const byte of bytes) await write(right, Buffer.of(byte))
  await write(right, ':3}\n')
  expect(frames).toEqual(['{"ö":1}', '{"b":2}', '{"c":3}'])
  channel.close()
})

test('each frame is whole wherever a read ends, right before its line break too', async () => {
  const text = '{"a":1}\n{"b":2}\n{"c":3}\n'
  for (let at = 1; at < text.length; at++) {
    const { channel, right, frames } = openPair()
    await write(right, text.slice(0, at), text.slice(at))
    expect(frames, `cut at ${at}`).toEqual(['{"a":1}', '{"b":2}', '{"c":3}'])
    channel.close()
  }
})

test('a frame over the limit is dropped and counted once, and the next one is read', async () => {
  const { channel, right, frames, oversize } = openPair(10)
  await write(right, '12345678901\nshort\n', 'x'.repeat(50), 'y'.repeat(50), 'z\nagain\n', '1234567890\n')
  expect(frames).toEqual(['short', 'again', '1234567890'])
  expect(oversize).toEqual([11, 101])
  channel.close()
})

test('frames sent in one tick leave in one write', async () => {
  const { channel, right } = openPair()
  const writes: string[] = []
  right.on('data', (bytes: Buffer) => writes.push(bytes.toString()))
  channel.send('a')
  channel.send('b')
  expect(channel.bufferedBytes).toBeGreaterThan(0)
  await Promise.resolve().then(() => channel.send('c'))
  await once(right, 'data')
  expect(writes).toEqual(['a\nb\nc\n'])
  channel.close()
})

test('a full pipe says so until the other side has read', async () => {
  const { channel, left, right } = openPair()
  channel.send('x'.repeat(1024 * 1024))
  let drained = false
  const wait = channel.drained().then(() => {
    drained = true
  })
  expect(channel.bufferedBytes).toBeGreaterThan(1024 * 1024)
  expect(drained).toBe(false)
  right.resume()
  await wait
  expect(channel.bufferedBytes).toBe(0)
  expect(left.listenerCount('drain')).toBe(0)
  channel.close()
})

test('the end is told once, whoever waits for room goes on, and nothing is sent afterwards', async () => {
  const { channel, left } = openPair()
  const reasons: unknown[] = []
  channel.onClose((reason) => reasons.push(reason))
  channel.send('x'.repeat(1024 * 1024))
  const wait = channel.drained()
  left.destroy(new Error('the cable was cut'))
  await wait
  channel.send('late')
  channel.close()
  expect(reasons).toEqual([expect.objectContaining({ message: 'the cable was cut' })])
  expect(channel.bufferedBytes).toBe(0)
})
