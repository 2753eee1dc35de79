import { relative, sep } from 'node:path'
import { isErrorOf } from '#sdk/errors.ts'
import type { builtinTools } from '#sdk/services/tools.ts'
import { globPattern } from './glob-pattern.ts'
import { readTextFile } from './text-file.ts'
import type { ToolAnswer, ToolContext, ToolHandlers } from './tool.ts'
import { type WalkedFiles, walkFiles } from './walk-files.ts'

const defaultGlobLimit = 50
const defaultSearchLimit = 20
const maxShownLineLength = 300

export const findTools: ToolHandlers<Pick<typeof builtinTools, 'glob_files' | 'search_files'>> = {
  async glob_files({ pattern, path = '.', limit = defaultGlobLimit }, context) {
    const fits = globPattern(pattern)
    const walked = await walkFiles(path, context)
    const found = walked.paths.filter((file) => fits(relative(path, file).split(sep).join('/')))
    const lines = found.length === 0 ? ['No file matches.'] : found.slice(0, limit)
    if (found.length > limit) lines.push(`(${found.length - limit} more files match)`)
    return answer(lines, walked, 0)
  },

  async search_files({ query, path = '.', limit = defaultSearchLimit, case_sensitive = false }, context) {
    const walked = await walkFiles(path, context)
    const wanted = case_sensitive ? query : query.toLowerCase()
    const found: string[] = []
    let skipped = 0
    for (const file of walked.paths) {
      context.signal.throwIfAborted()
      const text = await searchableText(file, context)
      if (text === undefined) skipped++
      else if (text !== '') found.push(...matchingLines(file, text, wanted, case_sensitive))
      if (found.length > limit) break
    }
    const lines = found.length === 0 ? ['No line contains the text.'] : found.slice(0, limit)
    if (found.length > limit) lines.push(`(there are more; only the first ${limit} are shown)`)
    return answer(lines, walked, skipped)
  },
}

/** undefined: the file could not be read. A file that is no text has nothing to find. */
async function searchableText(file: string, { settings }: ToolContext): Promise<string | undefined> {
  try {
    return await readTextFile(settings, file)
  } catch (cause) {
    if (isErrorOf(cause, 'unsupported_media')) return ''
    if (isErrorOf(cause, 'forbidden', 'not_found', 'invalid', 'conflict', 'too_large')) return undefined
    throw cause
  }
}

function matchingLines(file: string, text: string, wanted: string, caseSensitive: boolean): string[] {
  return text.split(/\r?\n/).flatMap((line, index) => {
    const compared = caseSensitive ? line : line.toLowerCase()
    return compared.includes(wanted) ? [`${file}:${index + 1}: ${shown(line.trim())}`] : []
  })
}

function shown(line: string): string {
  return line.length > maxShownLineLength ? `${line.slice(0, maxShownLineLength)}…` : line
}

function answer(lines: string[], { unreadableFolders, cut, paths }: WalkedFiles, skippedFiles: number): ToolAnswer {
  const notes = [
    ...(cut ? [`(only the first ${paths.length} files were looked at)`] : []),
    ...(skippedFiles > 0 ? [`(${skippedFiles} files could not be read or are larger than 1 MiB)`] : []),
    ...(unreadableFolders > 0 ? [`(${unreadableFolders} folders could not be read)`] : []),
  ]
  return { status: notes.length > 0 ? 'partial_success' : 'success', output: [...lines, ...notes].join('\n') }
}
