import { isAbsolute, posix, relative, resolve, sep } from 'node:path'
import type { PolicySettings, ToolUse } from './rules.ts'

/** Characters of a path that a reason repeats. */
const maxShownLength = 200
const shellSyntax = /\$[({]|`|;\s?(?:rm|curl|wget)\s/

/** A path as a tool was given it, and as it is compared. */
interface NamedPath {
  shown: string
  /** With slashes, whichever way they leaned. */
  slashed: string
  /** From the workspace on. */
  absolute: string
}

/** Denies what is protected by name, leads upwards, or lies outside the workspace. */
export function deniesPath(use: ToolUse, settings: PolicySettings): string | null {
  const misshapen = misshapenPath(use)
  if (misshapen !== undefined) return `'${misshapen}' must be a path or a list of paths`
  const protectedNames = settings.protected_patterns.map(folded).filter((pattern) => pattern !== '')
  for (const { shown, slashed, absolute } of pathsOf(use, settings)) {
    // Normalised, and with a slash at the end, so that `/etc//passwd` and the folder `.ssh` itself are found too.
    const name = `${folded(posix.normalize(slashed))}/`
    const pattern = protectedNames.find((candidate) => name.includes(candidate))
    if (pattern !== undefined) return `the path '${shown}' is protected ('${pattern}')`
    if (slashed.split('/').includes('..')) return `the path '${shown}' leads upwards`
    const roots = [settings.workspace, ...settings.allowed_paths].filter((root) => isAbsolute(root))
    if (settings.workspace_only && isAbsolute(slashed) && !roots.some((root) => isInside(absolute, root))) {
      return `the path '${shown}' is outside the workspace`
    }
  }
  return null
}

/** The workspace and other open folders may lie inside the home; one that holds the home does not open it. */
export function deniesOwnHome(use: ToolUse, settings: PolicySettings): string | null {
  const { home, workspace, allowed_paths } = settings
  const openFolders = [workspace, ...allowed_paths].filter(
    (folder) => isInside(folder, home) && !isInside(home, folder),
  )
  const own = pathsOf(use, settings).find(
    ({ absolute }) =>
      isInside(folded(absolute), folded(home)) && !openFolders.some((folder) => isInside(absolute, folder)),
  )
  return own === undefined ? null : `the path '${own.shown}' belongs to Keel itself`
}

/** A path is no place for the syntax of a shell; other texts, such as the content of a file, may hold any. */
export function deniesShellSyntax(use: ToolUse, settings: PolicySettings): string | null {
  const path = pathsOf(use, settings).find(({ slashed }) => shellSyntax.test(slashed))
  return path === undefined ? null : `the path '${path.shown}' holds shell syntax`
}

function pathsOf({ tool, input }: ToolUse, { workspace }: PolicySettings): NamedPath[] {
  const given = tool.paths.flatMap((name) => input[name] ?? [])
  return given
    .filter((path) => typeof path === 'string')
    .map((path) => {
      const slashed = path.replaceAll('\\', '/')
      const shown = path.length > maxShownLength ? `${path.slice(0, maxShownLength)}…` : path
      return { shown, slashed, absolute: resolve(workspace, slashed) }
    })
}

/** The parameter that holds something else than a path where one belongs: nothing could be said about it. */
function misshapenPath({ tool, input }: ToolUse): string | undefined {
  return tool.paths.find((name) => [input[name] ?? []].flat().some((path) => typeof path !== 'string'))
}

/** As the most forgiving file system compares names: without case, compatibility forms or invisible characters. */
function folded(path: string): string {
  return path
    .normalize('NFKC')
    .replace(/\p{Cf}/gu, '')
    .toLowerCase()
}

function isInside(path: string, folder: string): boolean {
  const way = relative(folder, path)
  return !isAbsolute(way) && way.split(sep)[0] !== '..'
}
