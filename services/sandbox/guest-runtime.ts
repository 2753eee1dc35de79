/** What a guest has in its hands of zod, as far as the runtime itself uses it. */
interface GuestZod {
  toJSONSchema(schema: unknown, options: { io: string; unrepresentable: string }): unknown
  prettifyError(error: unknown): string
}

interface GuestSchema {
  safeParseAsync(value: unknown): Promise<{ success: boolean; data?: unknown; error?: unknown }>
}

interface GuestTool {
  description?: unknown
  input?: GuestSchema
  output?: GuestSchema
  run(context: Record<string, unknown>): unknown
}

interface Waiting {
  resolve(value: unknown): void
  reject(error: unknown): void
  name: string
}

/** What goes out of an isolate: primitives alone. */
export type GuestSend = (kind: GuestMessageKind, id: number, text: string, more: string | number | null) => void
export type GuestMessageKind = 'done' | 'fault' | 'described' | 'host' | 'progress' | 'timer'

export interface GuestBounds {
  jsonChars: number
  messageChars: number
  progressChars: number
  progressCount: number
  progressEveryMs: number
  timers: number
  tools: number
}

export interface GuestStart {
  tool: string
  input: string
  settings: string
  /** The granted host functions, and for secrets the text that stands for each. */
  host: Record<string, string>
  hostCalls: number
  outputChars: number
}

/** Leads into a guest; `kind` says what follows. */
export type GuestEnter = (
  kind: 'start' | 'describe' | 'answer' | 'refuse' | 'abort' | 'timer',
  ...rest: unknown[]
) => void

/**
 * The guest's side of the wall. Its text is run in every context before a guest's, so it uses nothing but the language
 * and its arguments; what it needs of the built-in objects it takes before a guest can change them. It keeps a guest
 * honest in counts and sizes for the guest's own sake: whoever holds the other end checks again.
 */
export function guestRuntime(bounds: GuestBounds, z: GuestZod | undefined) {
  const { parse, stringify } = JSON
  const { apply, ownKeys } = Reflect
  const { create, freeze, defineProperty, hasOwn } = Object
  const now = Date.now
  const min = Math.min
  const isFiniteNumber = Number.isFinite
  const slice = String.prototype.slice
  const exec = RegExp.prototype.exec
  const toText = String
  const GuestError = Error
  const GuestPromise = Promise
  const GuestProxy = Proxy
  const global: Record<string, unknown> = globalThis as never

  let plugin: Record<string, unknown> | undefined
  let send: GuestSend = () => {}
  let finished = false
  let lastId = 0
  let hostCallsLeft = 0
  let quotaMet = false
  let progressLeft = bounds.progressCount
  let lastProgress = 0
  let timersLeft = bounds.timers
  const waiting: Record<number, Waiting> = create(null)
  const timers: Record<number, { run: unknown; given: unknown[] }> = create(null)
  const abortListeners: unknown[] = []
  let abortCount = 0
  let abortReason: unknown

  const cut = (text: string, most: number): string => (text.length > most ? apply(slice, text, [0, most]) : text)

  function textOf(value: unknown): string {
    try {
      return typeof value === 'string' ? value : cut(toText(value), bounds.messageChars)
    } catch {
      return 'a value that can not be read'
    }
  }

  /** What was thrown, in words; reading it may run the guest's code. */
  function wordsOf(thrown: unknown): string {
    try {
      if (thrown === null || (typeof thrown !== 'object' && typeof thrown !== 'function')) return textOf(thrown)
      const { name, message, stack } = thrown as { name: unknown; message: unknown; stack: unknown }
      if (typeof message !== 'string') return 'It threw something that is no error'
      const kind = typeof name === 'string' && name !== '' && name !== 'Error' ? `${cut(name, 100)}: ` : ''
      const place =
        typeof stack === 'string' ? apply(exec, /\(?((?!keel:)[\w./-]+\.[a-z]+:\d+:\d+)\)?/, [cut(stack, 4_000)]) : null
      return `${kind}${cut(message, bounds.messageChars)}${place ? ` (${cut(place[1] as string, 300)})` : ''}`
    } catch {
      return 'It threw something that can not be read'
    }
  }

  function fault(kind: string, message: string): void {
    if (finished) return
    finished = true
    send('fault', 0, cut(message, bounds.messageChars), kind)
  }

  function done(text: string, isJson: boolean): void {
    if (finished) return
    finished = true
    send('done', 0, text, isJson ? 1 : 0)
  }

  function isSchema(value: unknown): value is GuestSchema {
    return (
      typeof value === 'object' &&
      value !== null &&
      typeof (value as Partial<GuestSchema>).safeParseAsync === 'function'
    )
  }

  function callHost(name: string, args: unknown[]): Promise<unknown> {
    return new GuestPromise((resolve, reject) => {
      if (finished) return
      if (hostCallsLeft <= 0) {
        quotaMet = true
        throw new GuestError(`This call may use host functions no more often: ${name} was not performed`)
      }
      hostCallsLeft--
      const text = stringify(args)
      if (text.length > bounds.jsonChars) throw new GuestError(`What ${name} was given is too large`)
      const id = ++lastId
      waiting[id] = { resolve, reject, name }
      send('host', id, text, name)
    })
  }

  /** An answer of `http.fetch` as authors know it from elsewhere. */
  function withReaders(answer: { status: number; body: string }): unknown {
    return {
      ...answer,
      ok: answer.status >= 200 && answer.status < 300,
      text: () => answer.body,
      json: () => parse(answer.body),
    }
  }

  function hostFor(granted: Record<string, string>): unknown {
    const groups: Record<string, unknown> = create(null)
    const group = (prefix: string) =>
      new GuestProxy(freeze(create(null)), {
        get(_, key) {
          if (typeof key !== 'string' || key === 'then') return undefined
          const name = `${prefix}.${key}`
          const grant = granted[name]
          if (grant === undefined) {
            throw new GuestError(`${name} is not granted to this plugin; plugin.toml names what it asks for`)
          }
          if (prefix === 'secrets') return grant
          return (...args: unknown[]) => callHost(name, args)
        },
      })
    return new GuestProxy(freeze(create(null)), {
      get(_, key) {
        if (typeof key !== 'string' || key === 'then') return undefined
        groups[key] ??= group(key)
        return groups[key]
      },
    })
  }

  const signal = {
    get aborted() {
      return abortReason !== undefined
    },
    get reason() {
      return abortReason
    },
    throwIfAborted() {
      if (abortReason !== undefined) throw abortReason
    },
    addEventListener(kind: unknown, listener: unknown) {
      if (kind === 'abort' && abortCount < 100) abortListeners[abortCount++] = listener
    },
    removeEventListener(_: unknown, listener: unknown) {
      for (let at = 0; at < abortCount; at++) if (abortListeners[at] === listener) abortListeners[at] = undefined
    },
  }

  function progress(message: unknown, fraction?: unknown): void {
    if (finished || progressLeft <= 0) return
    const at = now()
    if (at - lastProgress < bounds.progressEveryMs && at >= lastProgress) return
    lastProgress = at
    progressLeft--
    const part = typeof fraction === 'number' && isFiniteNumber(fraction) ? min(fraction < 0 ? 0 : fraction, 1) : null
    send('progress', 0, cut(textOf(message), bounds.progressChars), part)
  }

  defineProperty(global, 'setTimeout', {
    writable: true,
    configurable: true,
    value: function setTimeout(run: unknown, ms?: unknown, ...given: unknown[]): number {
      if (typeof run !== 'function') throw new GuestError('setTimeout takes a function')
      if (timersLeft <= 0) throw new GuestError('This call may set no more timers')
      timersLeft--
      const id = ++lastId
      timers[id] = { run, given }
      send('timer', id, '', typeof ms === 'number' && ms > 0 ? ms : 0)
      return id
    },
  })
  defineProperty(global, 'clearTimeout', {
    writable: true,
    configurable: true,
    value: function clearTimeout(id: unknown): void {
      if (typeof id === 'number') delete timers[id]
    },
  })

  function toolsOf(): Record<string, unknown> {
    const tools = plugin?.tools
    if (typeof tools !== 'object' || tools === null) {
      throw new GuestError('The default export is no plugin: it is what definePlugin({ tools: { … } }) returns')
    }
    return tools as Record<string, unknown>
  }

  function toolNamed(name: string): GuestTool {
    const tools = toolsOf()
    const found = hasOwn(tools, name) ? tools[name] : undefined
    if (typeof found !== 'object' || found === null || typeof (found as GuestTool).run !== 'function') {
      throw new GuestError(`The plugin's code defines no tool '${name}'`)
    }
    return found as GuestTool
  }

  async function runTool(given: GuestStart): Promise<void> {
    let stage = 'threw'
    try {
      const tool = toolNamed(given.tool)
      let input: unknown = parse(given.input)
      if (isSchema(tool.input)) {
        const parsed = await tool.input.safeParseAsync(input)
        if (parsed.success !== true) {
          fault('invalid_input', z ? textOf(z.prettifyError(parsed.error)) : wordsOf(parsed.error))
          return
        }
        input = parsed.data
      }
      let output = await tool.run({
        input,
        settings: parse(given.settings),
        host: hostFor(given.host),
        progress,
        signal,
      })
      stage = 'bad_output'
      if (isSchema(tool.output)) {
        const parsed = await tool.output.safeParseAsync(output)
        if (parsed.success !== true) {
          fault('bad_output', z ? textOf(z.prettifyError(parsed.error)) : wordsOf(parsed.error))
          return
        }
        output = parsed.data
      }
      const isText = typeof output === 'string'
      const text = isText ? (output as string) : (stringify(output) ?? 'null')
      if (text.length > given.outputChars) fault('too_large', `It answered with ${text.length} characters`)
      else done(text, !isText)
    } catch (thrown) {
      fault(quotaMet && stage === 'threw' ? 'host_quota' : stage, wordsOf(thrown))
    }
  }

  const anything = { type: 'object', properties: {} }
  const asSchema = (schema: unknown, io: string): unknown =>
    isSchema(schema) && z ? z.toJSONSchema(schema, { io, unrepresentable: 'any' }) : undefined

  function describeTools(): void {
    const tools = toolsOf()
    const names = ownKeys(tools)
    if (names.length > bounds.tools) throw new GuestError(`A plugin has at most ${bounds.tools} tools`)
    const found: unknown[] = []
    for (let at = 0; at < names.length; at++) {
      const name = names[at]
      if (typeof name !== 'string') continue
      const { description, input, output } = toolNamed(name)
      defineProperty(found, at, {
        enumerable: true,
        value: {
          name,
          description: typeof description === 'string' ? description : null,
          parameters: asSchema(input, 'input') ?? anything,
          output: asSchema(output, 'output') ?? null,
        },
      })
    }
    send('described', 0, stringify(found), null)
  }

  /** Nothing that a guest threw leaves by it: what carries an error out would read it, and reading runs its code. */
  function enter(kind: string, ...rest: unknown[]): void {
    try {
      take(kind, rest)
    } catch (thrown) {
      fault('threw', wordsOf(thrown))
    }
  }

  function take(kind: string, rest: unknown[]): void {
    switch (kind) {
      case 'start': {
        send = rest[0] as GuestSend
        const given = parse(rest[1] as string) as GuestStart
        hostCallsLeft = given.hostCalls
        // A name that a guest's Object.prototype has is no grant.
        const granted: Record<string, string> = create(null)
        for (const name of ownKeys(given.host) as string[]) granted[name] = given.host[name] as string
        void runTool({ ...given, host: granted })
        return
      }
      case 'describe':
        send = rest[0] as GuestSend
        describeTools()
        return
      case 'answer':
      case 'refuse': {
        const [id, text] = rest as [number, string]
        const call = waiting[id]
        delete waiting[id]
        if (kind === 'refuse') call?.reject(new GuestError(text))
        else {
          const answer = parse(text)
          call?.resolve(call.name === 'http.fetch' ? withReaders(answer) : answer)
        }
        return
      }
      case 'timer': {
        const timer = timers[rest[0] as number]
        delete timers[rest[0] as number]
        if (timer) apply(timer.run as () => void, undefined, timer.given)
        return
      }
      case 'abort':
        abortReason = new GuestError(rest[0] as string)
        for (let at = 0; at < abortCount; at++) {
          const listener = abortListeners[at]
          if (typeof listener === 'function') apply(listener as () => void, signal, [{ type: 'abort' }])
        }
    }
  }

  const sdk = freeze({
    definePlugin: (definition: unknown) => definition,
    tool: (definition: unknown) => definition,
    z,
  })
  return {
    sdk,
    /** Called first in each context: some of what goes is put there after a snapshot was read. */
    begin() {
      // Memory that no limit counts, waiting, and work that outlives its call.
      const gone = ['WebAssembly', 'SharedArrayBuffer', 'Atomics', 'FinalizationRegistry', 'WeakRef', 'console']
      for (let at = 0; at < gone.length; at++) delete global[gone[at] as string]
      return enter
    },
    receive(module: Record<string, unknown>) {
      const given = module.default
      if (typeof given === 'object' && given !== null) plugin = given as Record<string, unknown>
      toolsOf()
    },
  }
}
