import { type ChildProcess, type SendHandle, spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'
import { RuntimeError } from '#sdk/errors.ts'
import type { ListenHandle } from '../http/server.ts'
import type { Predecessor } from '../main.ts'
import { handoverProtocol, type Order, type Report, type ReportKind, report, type Wish } from './messages.ts'

/** How long each step may take, in milliseconds. A migration may be long, and ending it half-way helps nobody. */
const stepMs = { ready: 30_000, listener: 5_000, gone: 20_000, serving: 300_000 }

const entry = fileURLToPath(new URL('../cli/keel.mjs', import.meta.url))

type AnswerKind = Exclude<ReportKind, 'failed' | 'wish'>
type Answer<K extends AnswerKind> = Extract<Report, { is: K }> & { handle: ListenHandle | undefined }

interface Awaited {
  kind: AnswerKind
  resolve(answer: Answer<AnswerKind>): void
  reject(reason: RuntimeError): void
}

/** A kernel in a process of its own, from its start until its end. */
export class KernelProcess {
  readonly pid: number
  /** The exit code, as a shell would have it. */
  readonly exited: Promise<number>
  /** Called when that process is asked for something that concerns more than itself. */
  onWish: (wish: Wish) => void = () => {}
  readonly #process: ChildProcess
  #awaited: Awaited | undefined
  #ended: RuntimeError | undefined

  constructor(home: string, env: NodeJS.ProcessEnv) {
    const child = spawn(process.execPath, [entry, 'start', '--successor', '--home', home], {
      stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
      env,
    })
    this.#process = child
    this.pid = child.pid ?? 0
    child.on('message', (message, handle) => this.#hear(report.parse(message), handle as ListenHandle | undefined))
    const { promise, resolve } = Promise.withResolvers<number>()
    this.exited = promise
    const end = (reason: string, code: number) => {
      this.#ended = new RuntimeError('unavailable', reason)
      this.#awaited?.reject(this.#ended)
      resolve(code)
    }
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (this.pid === 0) end(`it could not be started (${error.code ?? error.message})`, 1)
    })
    child.once('exit', async (code, signal) => {
      // What it said last may still be on its way.
      if (child.connected) await once(child, 'disconnect')
      if (signal) end(`it was ended by ${signal}`, 128 + constants.signals[signal])
      else end(`it ended with code ${code}`, code ?? 1)
    })
  }

  /** Settles with its version once it has loaded its code and found everything in order. */
  async ready(): Promise<string> {
    const { version, protocol } = await this.#answer('ready')
    if (protocol !== handoverProtocol)
      throw new RuntimeError('conflict', `version ${version} can not take over from this one; stop Keel and start it`)
    return version
  }

  /** The same listening socket once more: nobody is accepted on it, and it stays open when the other is closed. */
  async copyOf(listener: ListenHandle): Promise<ListenHandle> {
    this.#send({ do: 'copy_listener' }, listener)
    const { handle } = await this.#answer('listener')
    if (!handle) throw new RuntimeError('internal', 'the listening socket was not passed on')
    return handle
  }

  /** Settles once it accepts; rejects when it can not, having closed what it had opened, or when it has ended. */
  async serve(listener: ListenHandle, predecessor: Predecessor): Promise<void> {
    this.#send({ do: 'serve', predecessor }, listener)
    await this.#answer('serving')
  }

  async letGo(): Promise<Predecessor> {
    this.#send({ do: 'let_go' })
    return (await this.#answer('gone')).predecessor
  }

  /** Tells it that nobody took over from it. */
  stay(reason: string): void {
    this.#send({ do: 'stay', reason })
  }

  stop(): void {
    this.#send({ do: 'stop', now: false })
  }

  stopNow(): void {
    this.#send({ do: 'stop', now: true })
  }

  /** Lets it live on when this process ends. */
  goOnAlone(): void {
    this.#send({ do: 'go_on_alone' })
    if (this.#process.connected) this.#process.disconnect()
  }

  /** Ends it and settles when it is gone. */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.exited
  }

  #send(message: Order, handle?: ListenHandle): void {
    // Node passes such sockets on, and declares it for whole servers alone. A process that is gone says so by its end.
    if (this.#process.connected) this.#process.send(message, handle as object as SendHandle, () => {})
  }

  #hear(said: Report, handle: ListenHandle | undefined): void {
    if (said.is === 'wish') this.onWish(said.wish)
    else if (said.is === 'failed')
      this.#awaited?.reject(new RuntimeError('unavailable', said.reason, { exit_code: said.exit_code }))
    else if (said.is === this.#awaited?.kind) this.#awaited.resolve({ ...said, handle })
  }

  /** One at a time, and asked for before anything else can happen. */
  async #answer<K extends AnswerKind>(kind: K): Promise<Answer<K>> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer<AnswerKind>>()
    this.#awaited = { kind, resolve, reject }
    if (this.#ended) reject(this.#ended)
    const late = () => reject(new RuntimeError('timeout', `it took more than ${stepMs[kind] / 1000} seconds`))
    const timer = setTimeout(late, stepMs[kind])
    try {
      return (await promise) as Answer<K>
    } finally {
      clearTimeout(timer)
      this.#awaited = undefined
    }
  }
}
