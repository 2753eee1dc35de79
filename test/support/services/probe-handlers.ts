import { writeSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { RuntimeError } from '#sdk/errors.ts'
import type { Client, ServiceContract, ServiceHandlers } from '#sdk/service.ts'
import type { probe, probeKernel } from './probe-contract.ts'

const held: Buffer[] = []
const descriptors = { stdout: 1, stderr: 2, wire: 3 }
const floodBatchBytes = 16_384

export function probeHandlers(
  kernel: Client<typeof probeKernel>,
  wire: (text: string) => void,
): ServiceHandlers<ServiceContract<(typeof probe)['methods']>> {
  let emitted = 0
  return {
    echo: ({ value }) => value,
    pid: () => process.pid,
    linger: async ({ ms }) => delay(ms, process.pid),
    act: async ({ ms }) => delay(ms, process.pid),
    fail({ kind, message, details }) {
      throw kind ? new RuntimeError(kind, message, details) : new Error(message)
    },
    async hang(_, { signal }) {
      const reason = await new Promise<unknown>((resolve) =>
        signal.addEventListener('abort', () => resolve(signal.reason), { once: true }),
      )
      await kernel.note({ text: reason instanceof RuntimeError ? reason.kind : String(reason) })
      return null
    },
    async count({ chunks, padding, pauseMs }, { emit }) {
      emitted = 0
      for (let n = 0; n < chunks; n++) {
        if (pauseMs > 0) await delay(pauseMs)
        await emit({ n, padding: 'x'.repeat(padding) })
        emitted += 1
      }
      return chunks
    },
    emitted: () => emitted,
    answerLength: ({ length }) => 'x'.repeat(length),
    wrongResult: () => 'wrong' as 'right',
    relay: ({ text }) => kernel.note({ text }),
    writeWire({ text, times }) {
      for (let n = 0; n < times; n++) wire(text)
      return null
    },
    print({ text, length }) {
      process.stdout.write(`${text.repeat(length)}\n`)
      return null
    },
    flood({ where, line }) {
      const batch = `${line}\n`.repeat(Math.ceil(floodBatchBytes / line.length))
      const go = () => {
        writeAll(descriptors[where], batch)
        setImmediate(go)
      }
      setImmediate(go)
      return null
    },
    dieMidFrame() {
      writeAll(descriptors.wire, '{"jsonrpc":"2.0","id":1,"result":"half of wh')
      process.kill(process.pid, 'SIGKILL')
      return null
    },
    hoard() {
      const words: string[][] = []
      for (;;) words.push(Array.from({ length: 10_000 }, (_, n) => `word ${n}`))
    },
    environment: () => Object.fromEntries(Object.entries(process.env).map(([name, value]) => [name, value ?? ''])),
    allocate({ bytes }) {
      held.push(Buffer.alloc(bytes, 1))
      return null
    },
    exit: ({ code }) => process.exit(code),
    spin() {
      for (;;);
    },
  }
}

/** Writes one line to the kernel, past the contract. */
export function writeToWire(text: string): void {
  writeAll(descriptors.wire, `${text}\n`)
}

/** Writes the whole text at once, although pipes and sockets do not block. */
function writeAll(descriptor: number, text: string): void {
  let bytes = Buffer.from(text)
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(writeSync(descriptor, bytes))
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'EAGAIN') throw thrown
    }
  }
}
