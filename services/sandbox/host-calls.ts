import { RuntimeError } from '#sdk/errors.ts'
import { type GuestCall, maxGuestJsonChars, secretReference } from '#sdk/services/sandbox.ts'
import { jsonDepth } from './json-depth.ts'

/** Of what a host function is told. */
const maxDepth = 32
const maxMessageChars = 2_000
const secretPrefix = 'secrets.'
/** A log line that is under way when the tool answers is still written. */
const logPrefix = 'log.'

export type PerformHost = (name: string, args: unknown[], signal: AbortSignal) => Promise<unknown>

/** The host functions of one call: those it was granted, as often as it may, in the sizes it may. */
export class HostCalls {
  /** For the guest: each name with what stands in its place, which is a text for a secret alone. */
  readonly grants: Readonly<Record<string, string>>
  readonly #functions: ReadonlySet<string>
  readonly #perform: PerformHost
  readonly #signal: AbortSignal
  readonly #over = new AbortController()
  #left: number

  constructor({ host, limits }: Pick<GuestCall, 'host' | 'limits'>, perform: PerformHost, signal: AbortSignal) {
    this.grants = Object.fromEntries(
      host.map((name) => [name, name.startsWith(secretPrefix) ? secretReference(name.slice(secretPrefix.length)) : '']),
    )
    this.#functions = new Set(host.filter((name) => !name.startsWith(secretPrefix)))
    this.#left = limits.host_calls
    this.#perform = perform
    this.#signal = signal
  }

  /** The answer as JSON, or why there is none; undefined when nobody waits for it any more. */
  async perform(name: string, args: string): Promise<{ answer: string } | { refusal: string } | undefined> {
    try {
      if (!this.#functions.has(name)) throw new RuntimeError('forbidden', 'this call was not granted it')
      if (this.#left-- <= 0) throw new RuntimeError('rate_limited', 'host functions were used too often')
      if (args.length > maxGuestJsonChars) throw new RuntimeError('too_large', 'what it was given is too large')
      if (jsonDepth(args) > maxDepth) throw new RuntimeError('invalid', 'what it was given is nested too deep')
      const signal = name.startsWith(logPrefix) ? this.#signal : this.#over.signal
      const answer = JSON.stringify(await this.#perform(name, JSON.parse(args), signal)) ?? 'null'
      if (answer.length > maxGuestJsonChars) throw new RuntimeError('too_large', 'its answer is too large')
      return { answer }
    } catch (thrown) {
      if (this.#over.signal.aborted) return undefined
      const told = thrown instanceof RuntimeError && thrown.kind !== 'internal' ? thrown.message : 'it failed'
      return { refusal: `${name}: ${told}`.slice(0, maxMessageChars) }
    }
  }

  end(): void {
    this.#over.abort()
  }
}
