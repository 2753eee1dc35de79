import { once } from 'node:events'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pino } from 'pino'
import { listLogFiles, localDay, logFileName } from './log-files.ts'

/** The largest size of one file, in bytes; a line that crosses it is the file's last. */
const maxFileBytes = 16 * 1024 * 1024
/** Bytes that may wait for the disk; beyond them lines are dropped rather than kept in memory. */
const maxBufferedBytes = 4 * 1024 * 1024

type LineFile = ReturnType<typeof pino.destination>

export interface RollingFileEvents {
  onError: (error: Error) => void
  /** Another file has been begun. */
  onRoll: () => void
}

/** Appends lines to `keel.DAY.NUMBER.log`: another file each day, by local time, and whenever one is full. */
export class RollingFile {
  readonly #dir: string
  readonly #file: LineFile
  readonly #events: RollingFileEvents
  #number: number
  #bytes: number
  #dayEndsAt = endOfDay()

  private constructor(dir: string, file: LineFile, { number, bytes }: Place, events: RollingFileEvents) {
    this.#dir = dir
    this.#file = file
    this.#number = number
    this.#bytes = bytes
    this.#events = events
    // Without a listener a full disk would end the kernel.
    file.on('error', events.onError)
  }

  /** Goes on with the newest file of today. Throws when the folder can not be written. */
  static async open(dir: string, events: RollingFileEvents): Promise<RollingFile> {
    const place = await lastPlace(dir)
    const file = pino.destination({
      dest: join(dir, logFileName(localDay(), place.number)),
      append: true,
      mkdir: true,
      mode: 0o600,
      sync: false,
      // Every line is written at once; at 0 `flush` would not wait for the disk.
      minLength: 1,
      maxLength: maxBufferedBytes,
    })
    await once(file, 'ready')
    return new RollingFile(dir, file, place, events)
  }

  write(line: string): void {
    if (Date.now() >= this.#dayEndsAt) this.#rollTo(1)
    else if (this.#bytes >= maxFileBytes) this.#rollTo(this.#number + 1)
    this.#bytes += Buffer.byteLength(line)
    this.#file.write(line)
  }

  /** Resolves when every line so far is in the file. */
  flush(): Promise<void> {
    return new Promise((resolve, reject) => this.#file.flush((error) => (error ? reject(error) : resolve())))
  }

  async close(): Promise<void> {
    const closed = once(this.#file, 'close')
    this.#file.end()
    await closed
  }

  #rollTo(number: number): void {
    this.#dayEndsAt = endOfDay()
    this.#number = number
    this.#bytes = 0
    this.#file.reopen(join(this.#dir, logFileName(localDay(), number)))
    this.#events.onRoll()
  }
}

interface Place {
  number: number
  bytes: number
}

async function lastPlace(dir: string): Promise<Place> {
  const [newest] = await listLogFiles(dir)
  if (newest?.day !== localDay()) return { number: 1, bytes: 0 }
  const { size } = await stat(newest.path)
  return size < maxFileBytes ? { number: newest.number, bytes: size } : { number: newest.number + 1, bytes: 0 }
}

function endOfDay(now: Date = new Date()): number {
  return new Date(now.getFullYear(), now.getMonth(), now.getDate() + 1).getTime()
}
