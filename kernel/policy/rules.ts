import type { Authority } from '#sdk/services/agent.ts'
import type { RiskLevel } from '#sdk/services/tools.ts'
import { riskAllowed } from './authority.ts'
import { deniesMoney } from './money-rule.ts'
import { deniesOwnHome, deniesPath, deniesShellSyntax } from './path-rules.ts'

export interface ToolUse {
  tool: {
    name: string
    /** As its author named it, where it goes by another name to be told apart from another author's. */
    declared?: string | undefined
    risk: RiskLevel
    paths: readonly string[]
  }
  input: Record<string, unknown>
  authority: Authority
  /** The tool's own conditions for this call: why a person is asked in any case, and why it is denied in any case. */
  ask?: string | undefined
  deny?: string | undefined
  /** A person has allowed exactly this: it was counted when it was asked about, and nobody is asked again. */
  approved?: boolean
}

export interface PolicySettings {
  /** Dollars. */
  per_payment_cap: number
  workspace_only: boolean
  /** Absolute; relative paths begin here. */
  workspace: string
  /** Absolute folders outside the workspace that tools may name. */
  allowed_paths: readonly string[]
  /** Parts of paths that no tool may touch, compared without regard to case. */
  protected_patterns: readonly string[]
  /** Keel's own home: no tool works there, but in the workspace and the allowed folders inside it. */
  home: string
  /** How often the tool was used in the last minute, this time not included. */
  usesInLastMinute: (tool: string) => number
}

export interface Rule {
  name: string
  /** Creator is not held to it. */
  waivedForCreator: boolean
  /** Why the use is denied, or null. */
  denies: (use: ToolUse, settings: PolicySettings) => string | null
}

export const maxUsesPerMinute = 30
const maxInputBytes = 100 * 1024

/** In order; the first that denies decides. */
export const rules: readonly Rule[] = [
  { name: 'authority', waivedForCreator: true, denies: deniesRisk },
  { name: 'command_safety', waivedForCreator: false, denies: deniesForbidden },
  { name: 'financial', waivedForCreator: false, denies: deniesMoney },
  { name: 'path_protection', waivedForCreator: false, denies: deniesPath },
  { name: 'rate_limit', waivedForCreator: true, denies: deniesHaste },
  { name: 'validation', waivedForCreator: false, denies: deniesSize },
  { name: 'validation', waivedForCreator: false, denies: deniesShellSyntax },
  { name: 'config_protection', waivedForCreator: false, denies: deniesOwnHome },
]

function deniesRisk({ tool, authority }: ToolUse): string | null {
  if (riskAllowed(authority, tool.risk)) return null
  return `${authority} authority cannot use ${tool.risk}-level tool '${tool.name}'`
}

function deniesForbidden({ tool }: ToolUse): string | null {
  return tool.risk === 'Forbidden' ? `tool '${tool.name}' is forbidden` : null
}

function deniesHaste({ tool, approved }: ToolUse, { usesInLastMinute }: PolicySettings): string | null {
  if (approved || usesInLastMinute(tool.name) < maxUsesPerMinute) return null
  return `tool '${tool.name}' was used more than ${maxUsesPerMinute} times in a minute`
}

function deniesSize({ input }: ToolUse): string | null {
  return Buffer.byteLength(JSON.stringify(input)) > maxInputBytes ? `the input is over ${maxInputBytes} bytes` : null
}
