import { once } from 'node:events'
import { createReadStream, createWriteStream, existsSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import type { z } from 'zod'
import { memoryLine } from '#sdk/contracts/memory.ts'
import { isErrorOf, RuntimeError } from '#sdk/errors.ts'
import { newId } from '#sdk/ids.ts'
import type { CliSession } from './connection.ts'

type Line = z.infer<typeof memoryLine>

const pageLines = 1_000
/** Lines of one request, and their bytes. */
const batch = { lines: 2_000, bytes: 6 * 1_048_576 }
/** How long one batch may take, in milliseconds. */
const batchMs = 120_000

/** Everything remembered as JSON Lines, to a file that only its owner may read, or to stdout. */
export async function exportMemory(
  session: CliSession,
  file: string | undefined,
  { tier }: { tier?: string },
): Promise<void> {
  const { io, out } = session
  if (file === undefined || file === '-') {
    const exported = await writeLines(session, io.stdout, tier)
    return out.note(`${exported} entries`)
  }
  const path = resolve(file)
  const staged = `${path}.${newId()}.part`
  const stream = createWriteStream(staged, { mode: 0o600 })
  try {
    const exported = await writeLines(session, stream, tier)
    stream.end()
    await finished(stream)
    await rename(staged, path)
    out.value({ exported, file: path }, () => out.line(`${exported} entries are in ${path}`))
  } finally {
    stream.destroy()
    await rm(staged, { force: true })
  }
}

async function writeLines({ client }: CliSession, to: Writable, tier: string | undefined): Promise<number> {
  let written = 0
  for (let after: number | null = 0; after !== null; ) {
    const query = { after, limit: pageLines, ...(tier !== undefined && { tier: tier as Line['tier'] }) }
    const { lines, next } = await client.memory.exportMemory({ query })
    for (const line of lines) if (!to.write(`${JSON.stringify(line)}\n`)) await once(to, 'drain')
    written += lines.length
    after = next
  }
  return written
}

/** Takes up the lines of an export. What is there already stays as it is, so that it may be done again. */
export async function importMemory(session: CliSession, file: string): Promise<void> {
  const { io, out } = session
  if (file !== '-' && !existsSync(file)) throw new RuntimeError('not_found', `There is no file ${file}`)
  const input = file === '-' ? io.stdin : createReadStream(file)
  const sum = { imported: 0, skipped: 0 }
  let waiting: { line: Line; number: number }[] = []
  let bytes = 0
  let number = 0
  const send = async () => {
    if (waiting.length === 0) return
    const { imported, skipped } = await sendBatch(session, waiting)
    sum.imported += imported
    sum.skipped += skipped
    waiting = []
    bytes = 0
    out.note(`line ${number}: ${sum.imported} taken up, ${sum.skipped} there already`)
  }
  for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY, signal: io.signal })) {
    const size = Buffer.byteLength(text)
    if (waiting.length === batch.lines || bytes + size > batch.bytes) await send()
    number += 1
    if (text.trim() === '') continue
    waiting.push({ line: parseLine(text, number), number })
    bytes += size
  }
  await send()
  out.value(sum, ({ imported, skipped }) => out.line(`${imported} entries taken up, ${skipped} there already.`))
}

async function sendBatch({ client }: CliSession, lines: readonly { line: Line; number: number }[]) {
  try {
    const body = { lines: lines.map(({ line }) => line) }
    return await client.memory.importMemory({ body, signal: AbortSignal.timeout(batchMs) })
  } catch (thrown) {
    const at = isErrorOf(thrown, 'invalid') ? /^lines\[(\d+)\]\W+(.*)$/s.exec(thrown.message) : null
    if (!at) throw thrown
    throw new RuntimeError('invalid', `line ${lines[Number(at[1])]?.number}: ${at[2]}`)
  }
}

function parseLine(text: string, number: number): Line {
  const bad = (why: string) => new RuntimeError('invalid', `line ${number}: ${why}`)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw bad('is not JSON')
  }
  const parsed = memoryLine.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw bad(`${issue?.path.join('.') || 'the line'}: ${issue?.message}`)
}
