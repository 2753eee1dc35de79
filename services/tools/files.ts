import type { Dirent } from 'node:fs'
import { RuntimeError } from '#sdk/errors.ts'
import { listInside, makeParentInside, openInside, replaceInside } from '#sdk/path-root.ts'
import type { builtinTools } from '#sdk/services/tools.ts'
import { maxFileBytes, readTextFile, rootRules, tooLarge } from './text-file.ts'
import type { ToolHandlers } from './tool.ts'

const maxListedEntries = 500

type FileToolName = 'read_file' | 'write_file' | 'edit_file' | 'list_directory'

/** Changes to files wait for each other, so that of two edits at once none is lost. */
export function createFileTools(): ToolHandlers<Pick<typeof builtinTools, FileToolName>> {
  let lastChange: Promise<unknown> = Promise.resolve()
  function inTurn<T>(signal: AbortSignal, change: () => Promise<T>): Promise<T> {
    const done = lastChange.then(() => {
      signal.throwIfAborted()
      return change()
    })
    lastChange = done.catch(() => {})
    return done
  }

  return {
    read_file: ({ path }, { settings }) => readTextFile(settings, path),

    write_file: ({ path, content, append = false }, { settings, signal }) =>
      inTurn(signal, async () => {
        const rules = rootRules(settings)
        await makeParentInside(settings.workspace, path, rules)
        if (!append) {
          refuseLarge(path, content)
          await replaceInside(settings.workspace, path, content, rules)
          return `Wrote ${Buffer.byteLength(content)} bytes to ${path}.`
        }
        await using handle = await openInside(settings.workspace, path, 'append', rules)
        const { size } = await handle.stat()
        const added = Buffer.byteLength(content)
        if (size + added > maxFileBytes) throw tooLarge(path, size + added)
        await handle.writeFile(content)
        return `Added ${added} bytes to ${path}, which now has ${size + added}.`
      }),

    edit_file: ({ path, old_text, new_text, replace_all = false }, { settings, signal }) =>
      inTurn(signal, async () => {
        const parts = (await readTextFile(settings, path)).split(old_text)
        const found = parts.length - 1
        if (found === 0) throw new RuntimeError('not_found', `The file '${path}' does not contain old_text`)
        if (found > 1 && !replace_all) {
          const advice = 'give more of the text around it, or set replace_all'
          throw new RuntimeError('conflict', `The file '${path}' contains old_text ${found} times; ${advice}`)
        }
        const size = Buffer.byteLength(parts.join('')) + found * Buffer.byteLength(new_text)
        if (size > maxFileBytes) throw tooLarge(path, size)
        await replaceInside(settings.workspace, path, parts.join(new_text), rootRules(settings))
        return `Replaced ${found} ${found === 1 ? 'occurrence' : 'occurrences'} in ${path}.`
      }),

    async list_directory({ path = '.' }, { settings }) {
      const { entries, hidden } = await listInside(settings.workspace, path, rootRules(settings))
      const lines = entries.map(describeEntry).sort()
      const notes = [
        ...(lines.length === 0 ? ['The folder shows no entries.'] : []),
        ...(lines.length > maxListedEntries ? [`(${lines.length - maxListedEntries} more entries are not shown)`] : []),
        ...(hidden > 0 ? [`(${hidden} protected ${hidden === 1 ? 'entry is' : 'entries are'} not shown)`] : []),
      ]
      return [...lines.slice(0, maxListedEntries), ...notes].join('\n')
    },
  }
}

function refuseLarge(path: string, content: string): void {
  const bytes = Buffer.byteLength(content)
  if (bytes > maxFileBytes) throw tooLarge(path, bytes)
}

function describeEntry(entry: Dirent): string {
  if (entry.isDirectory()) return `${entry.name}/`
  if (entry.isSymbolicLink()) return `${entry.name} (symbolic link)`
  return entry.isFile() ? entry.name : `${entry.name} (not an ordinary file)`
}
