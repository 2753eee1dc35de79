import { RuntimeError } from '#sdk/errors.ts'
import type { HostCall } from '#sdk/services/sandbox.ts'
import type { HostFunction, HostSession } from './host/host-function.ts'

/** The calls of guests that are under way, and what is done for them. */
export class HostCalls {
  readonly #functions: Readonly<Record<string, HostFunction>>
  readonly #sessions = new Map<string, HostSession>()

  constructor(functions: Readonly<Record<string, HostFunction>>) {
    this.#functions = functions
  }

  open(callId: string, session: HostSession): { close(): void } {
    this.#sessions.set(callId, session)
    return { close: () => void this.#sessions.delete(callId) }
  }

  /** Judged here and not where the guest runs: what it says of itself counts for nothing. */
  async perform({ call_id, name, args }: HostCall): Promise<unknown> {
    const session = this.#sessions.get(call_id)
    if (!session) throw new RuntimeError('not_found', 'the call is over')
    const perform = Object.hasOwn(this.#functions, name) ? this.#functions[name] : undefined
    if (!perform || !session.allowed.has(name))
      throw new RuntimeError('forbidden', `${name} was not granted to ${session.plugin}`)
    if (session.left-- <= 0) throw new RuntimeError('rate_limited', 'host functions were used too often')
    const used = session.used.get(name) ?? { count: 0, ms: 0 }
    used.count += 1
    session.used.set(name, used)
    const startedAt = performance.now()
    try {
      return (await perform(args, session)) ?? null
    } finally {
      used.ms += performance.now() - startedAt
    }
  }
}
