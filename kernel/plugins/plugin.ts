import type { PluginRow } from '#kernel/store/plugins.ts'
import { askedPermissions } from '#sdk/plugin-manifest.ts'
import type { GuestTool } from '#sdk/services/sandbox.ts'
import { grantsOf } from './grants.ts'
import type { PluginSource } from './read-plugin.ts'

export type PluginStatus = 'Loaded' | 'Active' | 'Disabled' | 'Error'

/** A plugin as it runs: what was last whole on disk, and what an operator has decided about it. */
export interface Plugin {
  source: PluginSource
  row: PluginRow
  /** What its code says of its tools, by name; null until the sandbox has told. */
  described: ReadonlyMap<string, GuestTool> | null
  /** Why this is the last good version and not what lies on disk, or why it does not run. */
  error: string | null
  /** Programs that it needs and this machine lacks. */
  missing: string[]
  /** Forbidden by `plugins.deny`, or by an allow list that does not name it. */
  refused: boolean
}

/** One that asks for nothing can do no harm, and runs unless somebody has said otherwise. */
export function wantsToRun(plugin: Plugin, inAdvance: readonly string[]): boolean {
  const { row, source, refused } = plugin
  if (refused || row.enabled === false) return false
  const asked = askedPermissions(source.manifest)
  return row.enabled === true || asked.length === grantsOf(plugin, inAdvance).permissions.length
}

export function statusOf(plugin: Plugin, inAdvance: readonly string[]): PluginStatus {
  const { row, refused, described, error, missing } = plugin
  if (refused || row.enabled === false) return 'Disabled'
  if (!wantsToRun(plugin, inAdvance)) return 'Loaded'
  if (missing.length > 0 || (described === null && error !== null)) return 'Error'
  return described === null ? 'Loaded' : 'Active'
}
