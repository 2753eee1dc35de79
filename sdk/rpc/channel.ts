/** A two-way pipe of JSON texts, one message each. It keeps order and says when it has closed. */
export interface Channel {
  /** Queues one frame. Frames sent after the close are dropped. */
  send(frame: string): void
  /** Bytes accepted by `send` that the other side has not taken yet. */
  readonly bufferedBytes: number
  /** Settles when `bufferedBytes` is back under the high-water mark, or at the close. */
  drained(): Promise<void>
  onFrame(listener: (frame: string) => void): void
  onClose(listener: (reason?: Error) => void): void
  close(reason?: Error): void
}

const mebibyte = 1024 * 1024

/** The largest frame that is read; a longer one is dropped and counted, never buffered whole. */
export const maxFrameBytes = 32 * mebibyte

/** The largest frame that the kernel takes from a service, and that a service therefore sends. */
export const maxServiceFrameBytes = 8 * mebibyte
