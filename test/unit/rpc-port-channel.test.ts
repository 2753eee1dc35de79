import { once } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { MessageChannel, Worker } from 'node:worker_threads'
import { expect, onTestFinished, test } from 'vitest'
import type { Channel } from '#sdk/rpc/channel.ts'
import { portChannel } from '#sdk/rpc/port-channel.ts'

const mebibyte = 1024 * 1024

function channelPair(): [Channel, Channel] {
  const { port1, port2 } = new MessageChannel()
  const pair: [Channel, Channel] = [portChannel(port1), portChannel(port2)]
  onTestFinished(() => pair[0].close())
  return pair
}

test('frames arrive whole and in order', async () => {
  const [near, far] = channelPair()
  const frames = ['', '{"a":"ö\u2028"}', 'x'.repeat(2 * mebibyte), 'last']
  const seen: string[] = []
  const all = new Promise<void>((resolve) =>
    far.onFrame((frame) => {
      if (seen.push(frame) === frames.length) resolve()
    }),
  )
  for (const frame of frames) near.send(frame)
  await all
  expect(seen).toEqual(frames)
})

test('bytes count as buffered until the other end has taken them', async () => {
  const [near, far] = channelPair()
  near.send('ö'.repeat(mebibyte))
  expect(near.bufferedBytes).toBe(2 * mebibyte)
  let drained = false
  const waiting = near.drained().then(() => {
    drained = true
  })
  expect(drained).toBe(false)
  far.onFrame(() => {})
  await waiting
  expect(near.bufferedBytes).toBe(0)
})

test('a thread that takes nothing keeps its sender waiting, and its end lets the sender go', async () => {
  const { port1, port2 } = new MessageChannel()
  const code = `require('node:worker_threads').workerData.on('message', () => {}); for (;;);`
  const worker = new Worker(code, { eval: true, workerData: port2, transferList: [port2] })
  await once(worker, 'online')
  const channel = portChannel(port1)
  const closed = new Promise<void>((resolve) => channel.onClose(() => resolve()))
  channel.send('x'.repeat(2 * mebibyte))
  let drained = false
  const waiting = channel.drained().then(() => {
    drained = true
  })
  for (let turn = 0; turn < 100; turn++) await nextTurn()
  expect([channel.bufferedBytes, drained]).toEqual([2 * mebibyte, false])
  await worker.terminate()
  await Promise.all([closed, waiting])
  expect(channel.bufferedBytes).toBe(0)
})

test('both ends hear of the close once, the end that closes with its reason', async () => {
  const [near, far] = channelPair()
  const heard: string[] = []
  near.onClose((reason) => heard.push(`near: ${reason?.message}`))
  const farClosed = new Promise<void>((resolve) =>
    far.onClose((reason) => {
      heard.push(`far: ${reason}`)
      resolve()
    }),
  )
  near.close(new Error('enough'))
  near.close(new Error('again'))
  await farClosed
  expect(heard).toEqual(['near: enough', 'far: undefined'])
})

test('frames sent before the close arrive, those after it do not', async () => {
  const [near, far] = channelPair()
  const seen: string[] = []
  far.onFrame((frame) => seen.push(frame))
  const closed = new Promise<void>((resolve) => far.onClose(() => resolve()))
  near.send('before')
  near.close()
  near.send('after')
  await closed
  expect(seen).toEqual(['before'])
  expect(near.bufferedBytes).toBe(0)
})

test('what is no frame changes nothing', async () => {
  const { port1, port2 } = new MessageChannel()
  const channel = portChannel(port1)
  onTestFinished(() => channel.close())
  const seen: string[] = []
  channel.onFrame((frame) => seen.push(frame))
  for (const odd of [null, {}, 2, 1, [1], new Uint8Array(3)]) port2.postMessage(odd)
  port2.postMessage('a frame')
  await once(port2, 'message')
  expect(seen).toEqual(['a frame'])
  expect(channel.bufferedBytes).toBe(0)
})
