import { z } from 'zod'
import { RuntimeError } from '#sdk/errors.ts'
import { type GuestTool, guestTool, maxGuestTools, maxSchemaChars } from '#sdk/services/sandbox.ts'
import { type Cell, GuestEnded } from './cell.ts'
import { LoadFailure } from './guest-program.ts'
import { jsonDepth } from './json-depth.ts'

const cpuMs = 1_000
const wallMs = 4_000
const maxDepth = 32
const maxTextChars = 1024 * 1024

const guestTools = z
  .array(
    guestTool.refine(
      ({ parameters, output }) =>
        [parameters, output].every((schema) => JSON.stringify(schema).length <= maxSchemaChars),
      `a tool's schema has at most ${maxSchemaChars} characters`,
    ),
  )
  .max(maxGuestTools)

/** The tools that a plugin's code defines. Throws `unprocessable` with a sentence for its author. */
export async function describeIn(cell: Cell): Promise<GuestTool[]> {
  const said = Promise.withResolvers<string>()
  cell.onEnd = (why) => said.reject(why)
  const wall = setTimeout(() => cell.end(new GuestEnded('timeout', `It did not answer within ${wallMs} ms`)), wallMs)
  const visiting = cell.visit(cpuMs, (kind, _, text) => {
    if (kind === 'described') said.resolve(text)
    else if (kind === 'fault') said.reject(new LoadFailure(text))
  })
  try {
    visiting.then((visit) => visit.begin('describe', '')).catch(said.reject)
    return parseTools(await said.promise)
  } catch (thrown) {
    if (thrown instanceof LoadFailure || thrown instanceof GuestEnded) {
      throw new RuntimeError('unprocessable', thrown.message, undefined, { cause: thrown })
    }
    throw thrown
  } finally {
    clearTimeout(wall)
    await cell.settle()
    visiting.then((visit) => visit.leave()).catch(() => {}) // Told above.
    cell.onEnd = undefined
  }
}

function parseTools(text: string): GuestTool[] {
  if (text.length > maxTextChars) throw new LoadFailure('Its tools take too many words to describe')
  // Its list and each tool come on top of a schema's own levels.
  if (jsonDepth(text) > maxDepth + 2) throw new LoadFailure(`Its schemas are nested more than ${maxDepth} levels deep`)
  const parsed = guestTools.safeParse(JSON.parse(text))
  if (!parsed.success)
    throw new LoadFailure(`Its tools are not described well: ${z.prettifyError(parsed.error).slice(0, 2_000)}`)
  return parsed.data
}
