declare module 'pino-roll' {
  import type { EventEmitter } from 'node:events'

  /** The file stream that pino-roll answers with, as far as Keel uses it. */
  export interface RollingFile extends EventEmitter {
    readonly file: string
    write(text: string): boolean
    flush(done: (error?: Error) => void): void
    flushSync(): void
    end(): void
  }

  interface RollOptions {
    file: string
    extension?: string
    frequency?: 'daily' | 'hourly' | number
    size?: string
    dateFormat?: string
    limit?: { count: number; removeOtherLogFiles?: boolean }
    mode?: number
    /** Bytes that are gathered before they are written. */
    minLength?: number
    /** Bytes that may wait for the disk; beyond it lines are dropped. */
    maxLength?: number
  }

  export default function roll(options: RollOptions): Promise<RollingFile>
}
