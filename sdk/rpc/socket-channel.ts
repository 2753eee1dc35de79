import type { Duplex } from 'node:stream'
import { type Channel, maxFrameBytes } from './channel.ts'

const newline = 0x0a
/** A read of this many bytes is full: more is waiting. */
const fullReadBytes = 65_536

export interface SocketChannelOptions {
  maxFrameBytes?: number
  /** Called for each frame dropped because it was over the limit. */
  onOversize?: (bytes: number) => void
}

/** One JSON text a line over a socket. Frames sent in one tick leave in one write. */
export function socketChannel(socket: Duplex, options: SocketChannelOptions = {}): Channel {
  const limit = options.maxFrameBytes ?? maxFrameBytes
  const closeListeners: ((reason?: Error) => void)[] = []
  let onFrame: (frame: string) => void = () => {}
  let outgoing: string[] = []
  let outgoingLength = 0
  let closed = false

  function flush() {
    if (closed || outgoing.length === 0) return
    const batch = outgoing.join('')
    outgoing = []
    outgoingLength = 0
    socket.write(batch)
  }

  function finish(reason?: Error) {
    if (closed) return
    closed = true
    outgoing = []
    socket.destroy()
    for (const listener of closeListeners) listener(reason)
  }

  const lines = lineSplitter(limit, (line) => onFrame(line), options.onOversize)
  socket.on('data', (bytes: Buffer) => {
    lines(bytes)
    if (bytes.length < fullReadBytes || closed) return
    // Whoever else has something to say comes between, however fast this end talks.
    socket.pause()
    setImmediate(() => socket.resume())
  })
  socket.on('error', finish)
  socket.on('end', () => finish())
  socket.on('close', () => finish())

  return {
    send(frame) {
      if (closed) return
      outgoingLength += frame.length
      if (outgoing.push(`${frame}\n`) === 1) process.nextTick(flush)
    },
    get bufferedBytes() {
      return closed ? 0 : outgoingLength + socket.writableLength
    },
    async drained() {
      flush()
      if (closed || !socket.writableNeedDrain) return
      await new Promise<void>((resolve) => {
        const settle = () => {
          socket.off('drain', settle)
          socket.off('close', settle)
          resolve()
        }
        socket.on('drain', settle)
        socket.on('close', settle)
      })
    },
    onFrame(listener) {
      onFrame = listener
    },
    onClose(listener) {
      closeListeners.push(listener)
    },
    close(reason) {
      flush()
      finish(reason)
    },
  }
}

/** Most lines come in one piece, which need not be copied. */
function whole(parts: readonly Buffer[], bytes: number): string {
  const [first] = parts
  return first && parts.length === 1 ? first.toString() : Buffer.concat(parts, bytes).toString()
}

/** Splits bytes into lines without ever holding more than `limit` bytes of an unfinished one. */
function lineSplitter(limit: number, onLine: (line: string) => void, onOversize: (bytes: number) => void = () => {}) {
  let parts: Buffer[] = []
  let held = 0
  let skipped = 0

  return (bytes: Buffer) => {
    let start = 0
    for (;;) {
      const end = bytes.indexOf(newline, start)
      const piece = end < 0 ? bytes.subarray(start) : bytes.subarray(start, end)
      if (skipped > 0 || held + piece.length > limit) {
        skipped += held + piece.length
        parts = []
        held = 0
      } else if (piece.length > 0) {
        parts.push(piece)
        held += piece.length
      }
      if (end < 0) return
      if (skipped > 0) onOversize(skipped)
      else if (held > 0) onLine(whole(parts, held))
      parts = []
      held = 0
      skipped = 0
      start = end + 1
    }
  }
}
