import type { GuestAnswer, GuestFault, GuestLimits } from '#sdk/services/sandbox.ts'

/** On a machine that is busy time goes by without the guest: a limit that is not meant to end it is far away. */
const cpuMs = { meant: 150, far: 2_000 }
const wallMs = { meant: 400, far: 10_000 }

export interface Attack {
  name: string
  /** The body of the tool. */
  body: string
  /** At the top level of the module. */
  before?: string
  /** The whole answer when it succeeds. */
  output?: string
  /** One of these ends it otherwise. */
  faults?: readonly GuestFault[]
  host?: string[]
  limits?: Partial<GuestLimits>
}

export function limitsOf({ faults, limits }: Attack): { cpu_ms: number; wall_ms: number } & Partial<GuestLimits> {
  return {
    cpu_ms: faults?.includes('cpu') ? cpuMs.meant : cpuMs.far,
    wall_ms: faults?.includes('timeout') ? wallMs.meant : wallMs.far,
    ...limits,
  }
}

/** What a guest can try, by the table in the house's list of what must hold. */
export const attacks: readonly Attack[] = [
  {
    name: 'nothing of a host is there',
    body: `return [typeof require, typeof process, typeof Buffer, typeof fetch, typeof WebSocket, typeof Worker, typeof navigator,
      typeof WebAssembly, typeof SharedArrayBuffer, typeof Atomics, typeof console, typeof __keel].join()`,
    output: Array(12).fill('undefined').join(),
  },
  {
    name: 'no function constructor leads to a process',
    body: `const seen = []
      for (const value of [this, input, host, progress, signal, settings, globalThis, host.log, () => {}, async () => {}, [], /x/]) {
        try { seen.push(typeof value.constructor.constructor('return typeof process')()) } catch (thrown) { seen.push('threw') }
        try { seen.push(value.constructor.constructor('return typeof process')()) } catch (thrown) { seen.push('threw') }
      }
      return seen.every((one) => one === 'threw' || one === 'undefined' || one === 'string') && !seen.includes('object')
        && !seen.includes('function') ? 'none' : seen.join()`,
    output: 'none',
  },
  {
    name: 'no global leads to a reference into another isolate',
    body: `const open = [globalThis, input, host, progress, signal, settings], seen = new Set(), found = []
      while (open.length > 0) {
        const value = open.pop()
        if (value === null || value === undefined || (typeof value !== 'object' && typeof value !== 'function') || seen.has(value)) continue
        seen.add(value)
        for (const key of ['applySync', 'applySyncPromise', 'applyIgnored', 'derefInto', 'copyInto', 'copySync', 'deref'])
          try { if (typeof value[key] === 'function' && value !== host) found.push(key) } catch {}
        for (const key of Reflect.ownKeys(value)) {
          const { get, set, value: held } = Object.getOwnPropertyDescriptor(value, key) ?? {}
          open.push(get, set, held)
        }
        open.push(Object.getPrototypeOf(value))
      }
      return found.join() || 'none of ' + (seen.size > 500 ? 'many' : seen.size)`,
    output: 'none of many',
  },
  {
    name: 'nothing can be imported at run time',
    body: `const failed = []
      for (const name of ['fs', 'node:fs', 'file:///etc/passwd', 'data:text/javascript,1', 'http://127.0.0.1/', 'isolated-vm', '@keel/sdk'])
        await import(name).then(() => failed.push(name), () => {})
      return failed.join() || 'refused'`,
    output: 'refused',
  },
  { name: 'an endless loop', body: 'for (;;) {}', faults: ['cpu'] },
  { name: 'an endless loop at the top level', before: 'for (;;) {}', body: '', faults: ['timeout'] },
  {
    name: 'an endless chain of microtasks',
    body: 'const next = () => Promise.resolve().then(next); await next()',
    faults: ['cpu', 'memory'],
  },
  { name: 'a promise that never settles', body: 'await new Promise(() => {})', faults: ['timeout'] },
  {
    name: 'timers without end',
    body: 'const again = () => setTimeout(again, 0); again(); await new Promise(() => {})',
    faults: ['timeout', 'cpu', 'threw'],
  },
  { name: 'a catastrophic regular expression', body: `return /^(a+)+$/.test('a'.repeat(40) + 'b')`, faults: ['cpu'] },
  {
    name: 'lists without end',
    body: 'const all = []; for (;;) all.push(new Array(1000).fill(1))',
    faults: ['memory', 'cpu'],
  },
  { name: 'lists without end that nobody keeps', body: 'for (;;) new Array(1000).fill(1)', faults: ['cpu'] },
  {
    name: 'a map without end',
    body: 'const all = new Map(); for (let at = 0; ; at++) all.set(at, { at })',
    faults: ['memory', 'cpu', 'crashed'],
    limits: { cpu_ms: 2_000 },
  },
  {
    name: 'promises without end',
    body: 'const all = []; for (;;) all.push(new Promise(() => {}))',
    faults: ['memory', 'cpu', 'crashed'],
    limits: { cpu_ms: 2_000 },
  },
  {
    name: 'a text that grows',
    body: `let text = 'x'; for (;;) { text += text; text.charCodeAt(1); text = text.split('').join('') }`,
    faults: ['memory', 'cpu', 'threw', 'crashed'],
  },
  {
    name: 'objects without end',
    body: 'let last = {}; for (;;) last = { last, more: [last, last] }',
    faults: ['memory', 'cpu', 'crashed'],
    limits: { cpu_ms: 2_000 },
  },
  {
    name: 'buffers without end',
    body: 'const all = []; for (;;) all.push(new ArrayBuffer(8 * 1024 * 1024))',
    faults: ['memory', 'threw'],
  },
  {
    name: 'one list of a thousand million',
    body: 'return new Array(1e9).fill(0).length',
    faults: ['memory', 'cpu', 'timeout', 'crashed', 'threw'],
  },
  {
    name: 'a number that is squared again and again',
    body: 'let big = 3n; for (;;) big *= big',
    faults: ['cpu', 'timeout', 'memory', 'crashed', 'threw'],
  },
  {
    name: 'a text of twenty million spread into a list',
    body: `const all = [...'x'.repeat(2e7)]; return all.length`,
    faults: ['memory', 'cpu', 'timeout', 'crashed', 'threw'],
  },
  {
    name: 'JSON in a loop',
    body: `const big = Array.from({ length: 1e4 }, (_, at) => ({ at })); for (;;) JSON.parse(JSON.stringify(big))`,
    faults: ['cpu', 'timeout'],
  },
  { name: 'WebAssembly', body: 'return new WebAssembly.Memory({ initial: 1 })', faults: ['threw'] },
  {
    name: 'waiting without a clock',
    body: 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)',
    faults: ['threw'],
  },
  { name: 'a recursion without end', body: 'const deep = () => deep() + 1; return deep()', faults: ['threw'] },
  {
    name: 'an answer of 200,000 levels',
    body: 'let deep = []; for (let at = 0; at < 2e5; at++) deep = [deep]; return deep',
    faults: ['bad_output', 'too_large'],
  },
  { name: 'an answer that holds itself', body: 'const it = {}; it.it = it; return it', faults: ['bad_output'] },
  { name: 'a BigInt as the answer', body: 'return 1n', faults: ['bad_output'] },
  { name: 'a function as the answer', body: 'return () => 1', output: 'null' },
  {
    name: 'a revoked proxy as the answer',
    body: 'const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy',
    faults: ['threw', 'bad_output'],
  },
  { name: 'a hundred million characters', body: `return 'x'.repeat(1e8)`, faults: ['too_large', 'memory'] },
  {
    name: 'an error of 64 million characters',
    body: `throw new Error('x'.repeat(64e6))`,
    faults: ['threw', 'memory'],
  },
  {
    name: 'changed prototypes, and keys that would change them',
    body: `Object.prototype.polluted = 'yes'; Object.prototype.then = undefined
      return JSON.parse('{"__proto__": {"polluted": "yes"}, "constructor": {"prototype": 1}}')`,
    output: '{"__proto__":{"polluted":"yes"},"constructor":{"prototype":1}}',
  },
  { name: 'a toJSON that never returns', body: 'return { toJSON() { for (;;) {} } }', faults: ['cpu'] },
  { name: 'a getter that never returns', body: 'return { get it() { for (;;) {} } }', faults: ['cpu'] },
  { name: 'a thenable that never settles', body: 'return { then() {} }', faults: ['timeout'] },
  { name: 'a thenable that spins', body: 'return { then() { for (;;) {} } }', faults: ['cpu'] },
  ...[
    'null',
    'undefined',
    'Symbol()',
    '1n',
    '(() => {})',
    'new Proxy({}, { get() { throw 1 } })',
    'Object.create(null)',
  ].map((thrown) => ({ name: `it throws ${thrown}`, body: `throw ${thrown}`, faults: ['threw'] as const })),
  {
    name: 'an error whose message never comes',
    body: 'throw { get message() { for (;;) {} } }',
    faults: ['cpu'],
  },
  {
    name: 'a rejected promise whose error never gives its message',
    body: 'void Promise.reject({ get message() { for (;;) {} }, get stack() { for (;;) {} } }); return 1',
    faults: ['cpu', 'timeout'],
    output: '1',
  },
  {
    name: 'an error at the top level whose message never comes',
    before: 'throw Object.defineProperty(new Error(), "message", { get() { for (;;) {} } })',
    body: '',
    faults: ['timeout', 'cpu', 'threw'],
  },
  {
    name: 'no frame of the host is on the stack',
    body: `Error.prepareStackTrace = (_, frames) => frames.map((frame) =>
        [frame.getFileName(), typeof frame.getThis(), typeof frame.getFunction()].join('|')).join(' ')
      const stack = new Error('x').stack
      return /node|file:|services|sdk\\/|sandbox/.test(stack) || /object|function/.test(stack.replaceAll('typeof', '')) ? stack : 'clean'`,
    output: 'clean',
  },
  {
    name: 'work that goes on after the answer',
    body: 'const next = () => Promise.resolve().then(next); next(); return 1',
    output: '1',
    faults: ['cpu', 'memory'],
  },
  {
    name: 'a global that the next call may not see',
    body: `const before = globalThis.left; globalThis.left = 'here'; Array.prototype.left = 1; return String(before)`,
    output: 'undefined',
  },
  {
    name: 'changed built-ins do not change the runtime',
    body: `JSON.stringify = () => 'forged'; JSON.parse = () => 'forged'; Array.prototype[Symbol.iterator] = function* () { yield 'forged' }
      Promise.prototype.then = () => { throw 'forged' }; globalThis.Promise = class {}; Object.prototype.toJSON = undefined
      Object.defineProperty(Object.prototype, '0', { set() { throw 'forged' }, configurable: true })
      String.prototype.slice = () => 'forged'; Reflect.apply = () => 'forged'; Function.prototype.call = () => 'forged'
      return { real: true }`,
    output: '{"real":true}',
  },
  {
    name: 'species and async generators give no object of the host',
    body: `class Odd extends Promise { static get [Symbol.species]() { return function (run) { run((v) => v, (v) => v) } } }
      async function* steps() { yield* { [Symbol.asyncIterator]() { return { next: () => ({ get then() { return (go) => go({ done: true, value: arguments.callee }) } }) } } } }
      const seen = []
      try { for await (const step of steps()) seen.push(step) } catch {}
      Promise.prototype.constructor = { [Symbol.species]: Odd }
      await new Odd((go) => go(1)).then((v) => v, (v) => v)
      return typeof seen[0]?.constructor?.constructor?.('return process')`,
    faults: ['threw', 'timeout'],
    output: 'undefined',
  },
  {
    name: 'a host function used 100,000 times',
    body: `for (let at = 0; at < 1e5; at++) await host.log.info('again')`,
    host: ['log.info'],
    faults: ['host_quota'],
  },
  {
    name: 'a host function used 100,000 times at once',
    body: `const all = []; for (let at = 0; at < 1e5; at++) all.push(host.log.info('again')); await Promise.all(all)`,
    host: ['log.info'],
    faults: ['host_quota', 'cpu', 'memory'],
  },
  {
    name: 'a host function that was not granted',
    body: `await host.kv.set('a', 1)`,
    host: ['log.info'],
    faults: ['threw'],
  },
  {
    name: 'a host function told 100 million characters',
    body: `await host.log.info('x'.repeat(1e8))`,
    host: ['log.info'],
    faults: ['threw', 'memory', 'crashed'],
  },
  {
    name: 'two million lines of progress',
    body: `for (let at = 0; at < 2e6; at++) progress('x'.repeat(1000), at / 2e6); return 'done'`,
    output: 'done',
    faults: ['cpu'],
    limits: { cpu_ms: 1_500 },
  },
]

/** What every answer must be, whatever the guest tried. */
export function unfitting(attack: Attack, answer: GuestAnswer): string | undefined {
  if (Buffer.byteLength(answer.output) > 16_384) return `an answer of ${answer.output.length} characters`
  if (/\/(work|home|root|tmp|usr)\/|node_modules|at async |services\//.test(answer.output)) return answer.output
  if (answer.status === 'success') {
    return attack.output === answer.output ? undefined : `answered ${answer.output.slice(0, 500)}`
  }
  return answer.fault && attack.faults?.includes(answer.fault) ? undefined : `${answer.fault}: ${answer.output}`
}
