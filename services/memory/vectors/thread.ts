import { Worker } from 'node:worker_threads'
import type { Logger } from 'pino'
import { RuntimeError } from '#sdk/errors.ts'
import type { ThreadCalls, ThreadMessage, ThreadRequest } from './messages.ts'

/** How long an answer may take, in milliseconds: then the thread hangs, and is replaced. */
const answerMs = 10_000
/** Before a new thread takes the place of one that died: doubled each time, up to the most. */
const firstRestartMs = 50
const maxRestartMs = 10_000
/** A thread that lived so long did not die of its start. */
const healthyMs = 30_000

type News = Exclude<ThreadMessage, { id: number }>

export interface ThreadOptions {
  database: string
  log: Logger
  onNews: (news: News) => void
  /** A thread has begun and holds nothing yet. */
  onStart: () => void
  startWorker?: (database: string) => Worker
}

interface Pending {
  resolve: (result: never) => void
  reject: (reason: RuntimeError) => void
  timer: NodeJS.Timeout
}

export function startVectorWorker(database: string): Worker {
  return new Worker(new URL('./worker.ts', import.meta.url), { workerData: { database } })
}

/** The vectors' thread; one that dies is replaced, and what it was asked fails as `unavailable`. */
export class VectorThread {
  readonly #options: ThreadOptions
  readonly #pending = new Map<number, Pending>()
  #worker: Worker | undefined
  #closed = false
  #lastId = 0
  #restartMs = firstRestartMs
  #restart: NodeJS.Timeout | undefined

  constructor(options: ThreadOptions) {
    this.#options = options
    this.#start()
  }

  call<K extends keyof ThreadCalls>(call: K, params: ThreadCalls[K]['params']): Promise<ThreadCalls[K]['result']> {
    const worker = this.#worker
    if (!worker) return Promise.reject(new RuntimeError('unavailable', 'the vectors are being loaded again'))
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => void worker.terminate(), answerMs)
      timer.unref()
      this.#pending.set(id, { resolve, reject, timer })
      worker.postMessage({ id, call, params } as ThreadRequest)
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#restart)
    await this.#worker?.terminate()
  }

  #start(): void {
    const startedAt = Date.now()
    const { database, log, startWorker = startVectorWorker } = this.#options
    const worker = startWorker(database)
    this.#worker = worker
    worker.unref()
    worker.on('message', (message: ThreadMessage) => this.#hear(message))
    worker.on('error', (err) => log.error({ err }, 'the vectors’ thread failed'))
    worker.once('exit', (code) => {
      this.#worker = undefined
      this.#failPending()
      if (this.#closed) return
      if (Date.now() - startedAt > healthyMs) this.#restartMs = firstRestartMs
      log.warn({ code, restart_ms: this.#restartMs }, 'the vectors’ thread ended and is started again')
      this.#restart = setTimeout(() => this.#start(), this.#restartMs)
      this.#restartMs = Math.min(this.#restartMs * 2, maxRestartMs)
    })
    this.#options.onStart()
  }

  #hear(message: ThreadMessage): void {
    if (!('id' in message)) {
      this.#options.onNews(message)
      return
    }
    const pending = this.#pending.get(message.id)
    if (!pending) return
    this.#pending.delete(message.id)
    clearTimeout(pending.timer)
    if ('error' in message) pending.reject(new RuntimeError('unavailable', message.error))
    else pending.resolve(message.result as never)
  }

  #failPending(): void {
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer)
      reject(new RuntimeError('unavailable', 'the vectors’ thread ended'))
    }
    this.#pending.clear()
  }
}
