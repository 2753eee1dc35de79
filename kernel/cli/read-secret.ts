import { createInterface } from 'node:readline/promises'
import { addAbortSignal, Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { RuntimeError } from '#sdk/errors.ts'
import type { CliIo } from './cli-io.ts'

/** A secret from a prompt that shows nothing, or from stdin when that is no terminal; without the spaces around it. */
export async function readSecret(io: CliIo, prompt: string): Promise<string> {
  const secret = (io.stdin.isTTY ? await ask(io, prompt) : await text(addAbortSignal(io.signal, io.stdin))).trim()
  if (secret === '') throw new RuntimeError('invalid', 'nothing was entered')
  return secret
}

async function ask(io: CliIo, prompt: string): Promise<string> {
  const unseen = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: io.stdin, output: unseen, terminal: true })
  io.stderr.write(prompt)
  try {
    return await lines.question('', { signal: io.signal })
  } finally {
    lines.close()
    io.stderr.write('\n')
  }
}
