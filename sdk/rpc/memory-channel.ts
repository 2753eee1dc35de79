import type { Channel } from './channel.ts'

/** Two ends of a pipe inside one process, for tests and for a service run in the kernel's own process. */
export function memoryChannelPair(): [Channel, Channel] {
  const left = memoryEnd()
  const right = memoryEnd()
  left.peer = right
  right.peer = left
  return [left.channel, right.channel]
}

interface MemoryEnd {
  peer: MemoryEnd | undefined
  deliver(frame: string): void
  shut(reason?: Error): void
  channel: Channel
}

function memoryEnd(): MemoryEnd {
  const closeListeners: ((reason?: Error) => void)[] = []
  let onFrame: (frame: string) => void = () => {}
  let closed = false
  const end: MemoryEnd = {
    peer: undefined,
    deliver: (frame) => {
      if (!closed) onFrame(frame)
    },
    shut(reason) {
      if (closed) return
      closed = true
      for (const listener of closeListeners) listener(reason)
    },
    channel: {
      send: (frame) => {
        if (!closed) queueMicrotask(() => end.peer?.deliver(frame))
      },
      bufferedBytes: 0,
      drained: async () => {},
      onFrame: (listener) => {
        onFrame = listener
      },
      onClose: (listener) => {
        closeListeners.push(listener)
      },
      close(reason) {
        end.shut(reason)
        end.peer?.shut(reason)
      },
    },
  }
  return end
}
