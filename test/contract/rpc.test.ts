import { JSONRPCClient, JSONRPCServer } from 'json-rpc-2.0'
import { describe, expect, test } from 'vitest'
import { memoryChannelPair } from '#sdk/rpc/memory-channel.ts'
import { Peer } from '#sdk/rpc/peer.ts'
import { creditWindow } from '#sdk/rpc/streams.ts'
import { eventually } from '../support/daemon.ts'
import { probe } from '../support/services/probe-contract.ts'
import { linkTo, openInMemory, openProcess, openThread } from '../support/services/probe-link.ts'

const transports = [
  ['a channel in memory', openInMemory],
  ['a forked process', openProcess],
  ['a thread', openThread],
] as const

describe.each(transports)('over %s', (_, open) => {
  test('answers come back as they were given, whatever the order', async () => {
    const { client } = await linkTo(open)
    const values = [0, '', 'ö\n\u2028"', null, false, [1, [2]], { a: { b: 'c' } }, { length: 'x'.repeat(100_000) }]
    expect(await Promise.all(values.map((value) => client.echo({ value })))).toEqual(values)
    const slowFirst = await Promise.all([client.linger({ ms: 60 }), client.echo({ value: 'quick' })])
    expect(slowFirst).toEqual([expect.any(Number), 'quick'])
  })

  test('an error keeps its kind, message and details', async () => {
    const { client } = await linkTo(open)
    const given = {
      kind: 'rate_limited',
      message: 'Too fast',
      details: { retry_after_seconds: 3, why: ['a'] },
    } as const
    await expect(client.fail(given)).rejects.toMatchObject({ ...given, name: 'RuntimeError' })
  })

  test('what a handler did not mean to say stays inside', async () => {
    const { client } = await linkTo(open)
    await expect(client.fail({ message: 'the password is 1234' })).rejects.toMatchObject({
      kind: 'internal',
      message: 'internal server error',
    })
  })

  test('parameters are checked where they arrive, results where they are wanted', async () => {
    const { client } = await linkTo(open)
    await expect(client.linger({ ms: 'long' as unknown as number })).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining('ms'),
    })
    await expect(client.wrongResult({})).rejects.toMatchObject({ kind: 'internal' })
  })

  test('a method that nobody serves is refused, prototype names too', async () => {
    const { peer } = await linkTo(open)
    for (const name of ['probe.absent', 'constructor', '__proto__', 'toString'])
      await expect(peer.control(name, 5_000)).rejects.toMatchObject({ kind: 'method_not_allowed' })
  })

  test('the service asks the kernel from within a call, and hears its refusals', async () => {
    const { client, notes } = await linkTo(open)
    expect(await client.relay({ text: 'hello' })).toBe('HELLO')
    await expect(client.relay({ text: 'refuse' })).rejects.toMatchObject({
      kind: 'forbidden',
      message: 'The kernel says no',
      details: { why: 'a test' },
    })
    expect(notes).toEqual(['hello', 'refuse'])
  })

  test('a deadline ends the call on both sides', async () => {
    const { client, notes, peer } = await linkTo(open)
    await expect(client.hang({}, { timeoutMs: 50 })).rejects.toMatchObject({
      kind: 'timeout',
      message: 'probe.hang did not answer within 50 ms',
    })
    await eventually('the callee hears of it', () => notes.length === 1)
    expect(['timeout', 'cancelled']).toContain(notes[0])
    expect(peer.inFlight).toBe(0)
    expect(await client.echo({ value: 1 })).toBe(1)
  })

  test('cancelling reaches the callee; a signal that has gone off sends nothing', async () => {
    const { client, notes, peer } = await linkTo(open)
    const abort = new AbortController()
    const call = client.hang({}, { signal: abort.signal })
    await client.echo({ value: 'the call before has arrived' })
    abort.abort()
    await expect(call).rejects.toMatchObject({ kind: 'cancelled' })
    await eventually('the callee hears of it', () => notes.length === 1)
    expect(notes).toEqual(['cancelled'])
    await expect(client.hang({}, { signal: abort.signal })).rejects.toMatchObject({ kind: 'cancelled' })
    expect(peer.inFlight).toBe(0)
  })

  test('chunks arrive in order, all before the result', async () => {
    const { client } = await linkTo(open)
    const seen: number[] = []
    const result = await client.count({ chunks: 500 }, { onChunk: ({ n }) => void seen.push(n) })
    expect(result).toBe(500)
    expect(seen).toEqual(Array.from({ length: 500 }, (_, n) => n))
  })

  test('a slow reader bounds what the sender has sent', async () => {
    const { client } = await linkTo(open)
    const gate = Promise.withResolvers<void>()
    const seen: number[] = []
    const call = client.count(
      { chunks: 1_000, padding: 100 },
      {
        async onChunk({ n }) {
          await gate.promise
          seen.push(n)
        },
      },
    )
    await eventually('the window is full', async () => (await client.emitted({})) >= creditWindow)
    for (let asked = 0; asked < 20; asked++) expect(await client.emitted({})).toBe(creditWindow)
    gate.resolve()
    expect(await call).toBe(1_000)
    expect(seen.length).toBe(1_000)
  })

  test('chunks that nobody asked for are not sent, and hold nobody up', async () => {
    const { client } = await linkTo(open)
    expect(await client.count({ chunks: 5_000 })).toBe(5_000)
  })

  test('a reader that fails ends the stream with its own error', async () => {
    const { client } = await linkTo(open)
    const call = client.count(
      { chunks: 10_000 },
      {
        onChunk({ n }) {
          if (n === 3) throw new TypeError('the reader tripped')
        },
      },
    )
    await expect(call).rejects.toMatchObject({ kind: 'internal', cause: expect.any(TypeError) })
    expect(await client.echo({ value: 'next' })).toBe('next')
  })

  test('a reader that hangs does not outlast the deadline', async () => {
    const { client } = await linkTo(open)
    const call = client.count({ chunks: 2 }, { timeoutMs: 100, onChunk: () => new Promise<void>(() => {}) })
    await expect(call).rejects.toMatchObject({ kind: 'timeout' })
  })

  test('more chunks than there is room for end the call, not the memory', async () => {
    const { client, channel, peer } = await linkTo(open)
    let id = 0
    const send = channel.send
    channel.send = (frame) => {
      id = Math.max(id, JSON.parse(frame).id ?? 0)
      send(frame)
    }
    const call = client.hang({})
    channel.send = send
    await client.writeWire({
      text: `{"jsonrpc":"2.0","method":"$/chunk","params":{"id":${id},"chunk":{}}}`,
      times: 100,
    })
    const stream = client.count({ chunks: 1, pauseMs: 300 }, { onChunk: () => new Promise<void>(() => {}) })
    const text = `{"jsonrpc":"2.0","method":"$/chunk","params":{"id":${id + 2},"chunk":{"n":1,"padding":""}}}`
    await Promise.all([
      expect(stream).rejects.toMatchObject({ message: 'More chunks came than there was room for' }),
      client.writeWire({ text, times: creditWindow + 1 }),
    ])
    expect(peer.isClosed).toBe(false)
    peer.close()
    await expect(call).rejects.toMatchObject({ kind: 'unavailable' })
  })

  test('frames that are not JSON-RPC are counted and change nothing', async () => {
    const { client, faults } = await linkTo(open)
    const garbage = ['{"half":', 'Warning: something', '[]', '42', 'null', '{}', '{"jsonrpc":"2.0","id":{},"result":1}']
    for (const text of garbage) await client.writeWire({ text, times: 1 })
    expect(faults.length).toBe(garbage.length)
    // Shapes that pass as messages and belong to no call.
    await client.writeWire({ text: '{"jsonrpc":"2.0","id":999999,"result":1}', times: 1 })
    await client.writeWire({ text: '{"jsonrpc":"2.0","method":"$/credit","params":7}', times: 1 })
    await client.writeWire({ text: '{"jsonrpc":"2.0","method":"$/cancel","params":{"id":"__proto__"}}', times: 1 })
    expect(await client.echo({ value: 'still here' })).toBe('still here')
    expect(faults.length).toBe(garbage.length)
  })

  test('a failing handler is told apart from a fault on the wire', async () => {
    const { client, faults, handlerFailures } = await linkTo(open)
    await client.writeWire({ text: '{"jsonrpc":"2.0","id":"x","method":"kernel.breakDown","params":{}}', times: 3 })
    await eventually('the failures are told', () => handlerFailures.length === 3)
    expect(faults).toEqual([])
  })

  test('an answer too large for the other end is an error, and the next call works', async () => {
    const { client } = await linkTo(open)
    await expect(client.answerLength({ length: 9 * 1024 * 1024 })).rejects.toMatchObject({ kind: 'too_large' })
    expect(await client.echo({ value: 1 })).toBe(1)
  })

  test('a question too large for the other end is not sent', async () => {
    const { client, peer } = await linkTo(open)
    await expect(client.echo({ value: 'x'.repeat(33 * 1024 * 1024) })).rejects.toMatchObject({ kind: 'too_large' })
    expect(peer.inFlight).toBe(0)
    expect(await client.echo({ value: 1 })).toBe(1)
  })

  test('the end of the wire ends what is pending, and what comes after', async () => {
    const { client, cut, peer } = await linkTo(open)
    const calls = [client.hang({}), client.linger({ ms: 5_000 }), client.count({ chunks: 9, pauseMs: 1_000 })]
    const idle = peer.idle()
    cut()
    for (const call of calls) await expect(call).rejects.toMatchObject({ kind: 'unavailable' })
    await idle
    expect(peer.isClosed).toBe(true)
    await expect(client.echo({ value: 1 })).rejects.toMatchObject({ kind: 'unavailable' })
  })

  test('idle settles when the last call has its answer', async () => {
    const { client, peer } = await linkTo(open)
    const call = client.linger({ ms: 50 })
    let idle = false
    const waiting = peer.idle().then(() => {
      idle = true
    })
    // A question about the connection is no call.
    await peer.control('$/ping', 5_000)
    expect([idle, peer.inFlight]).toEqual([false, 1])
    await call
    await waiting
    expect(peer.inFlight).toBe(0)
  })

  test('a plain JSON-RPC 2.0 client is served, streams without chunks', async () => {
    const { channel } = await open()
    const client = new JSONRPCClient((request) => channel.send(JSON.stringify(request)))
    channel.onFrame((frame) => client.receive(JSON.parse(frame)))
    expect(await client.request('probe.echo', { value: { a: 1 } })).toEqual({ a: 1 })
    expect(await client.request('probe.count', { chunks: 500 })).toBe(500)
    await expect(client.request('probe.linger', { ms: 'x' })).rejects.toMatchObject({ code: -32602 })
    await expect(client.request('probe.absent', {})).rejects.toMatchObject({ code: -32601 })
    await expect(
      client.request('probe.fail', { kind: 'not_found', message: 'No such thing', details: { id: 7 } }),
    ).rejects.toMatchObject({ code: -32004, message: 'No such thing', data: { id: 7 } })
  })
})

test('a plain JSON-RPC 2.0 server is called', async () => {
  const [near, far] = memoryChannelPair()
  const server = new JSONRPCServer({ errorListener: () => {} })
  server.addMethod('probe.echo', ({ value }: { value: unknown }) => value)
  server.addMethod('probe.pid', () => {
    throw new Error('of its own')
  })
  far.onFrame((frame) => {
    server.receive(JSON.parse(frame)).then((response) => response && far.send(JSON.stringify(response)))
  })
  const peer = new Peer(near)
  const client = peer.connect(probe)
  expect(await client.echo({ value: [1, 2] })).toEqual([1, 2])
  await expect(client.pid({})).rejects.toMatchObject({ kind: 'internal' })
  await expect(client.emitted({})).rejects.toMatchObject({ kind: 'method_not_allowed' })
  peer.close()
})
