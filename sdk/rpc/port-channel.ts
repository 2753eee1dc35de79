import type { MessagePort } from 'node:worker_threads'
import type { Channel } from './channel.ts'

/** More bytes than this on their way make a sender of many frames wait. */
const highWaterBytes = 1024 * 1024
/** What is posted for each frame taken; frames are texts. */
const taken = 1

/** One JSON text a message between two threads. Each end says what it has taken, since a port does not tell. */
export function portChannel(port: MessagePort): Channel {
  const closeListeners: ((reason?: Error) => void)[] = []
  /** Sizes of the frames that are on their way, oldest first. */
  const underWay: number[] = []
  let underWayBytes = 0
  let onFrame: (frame: string) => void = () => {}
  const waiting: (() => void)[] = []
  let closed = false

  function release() {
    for (const resume of waiting.splice(0)) resume()
  }

  function finish(reason?: Error) {
    if (closed) return
    closed = true
    underWayBytes = 0
    port.close()
    release()
    for (const listener of closeListeners) listener(reason)
  }

  port.on('message', (message: unknown) => {
    if (closed) return
    if (message === taken) {
      underWayBytes -= underWay.shift() ?? 0
      if (underWayBytes <= highWaterBytes) release()
    } else if (typeof message === 'string') {
      port.postMessage(taken)
      onFrame(message)
    }
  })
  port.on('close', () => finish())

  return {
    send(frame) {
      if (closed) return
      const bytes = Buffer.byteLength(frame)
      underWay.push(bytes)
      underWayBytes += bytes
      port.postMessage(frame)
    },
    get bufferedBytes() {
      return underWayBytes
    },
    async drained() {
      if (!closed && underWayBytes > highWaterBytes) await new Promise<void>((resolve) => waiting.push(resolve))
    },
    onFrame(listener) {
      onFrame = listener
    },
    onClose(listener) {
      closeListeners.push(listener)
    },
    close: finish,
  }
}
