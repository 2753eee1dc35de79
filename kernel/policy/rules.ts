import type { Authority } from '#sdk/services/agent.ts'
import type { RiskLevel } from '#sdk/services/tools.ts'
import { riskAllowed } from './authority.ts'

export interface ToolUse {
  tool: { name: string; risk: RiskLevel; paths: readonly string[] }
  input: Record<string, unknown>
  authority: Authority
}

export interface PolicySettings {
  /** Dollars. */
  per_payment_cap: number
  workspace_only: boolean
  /** Folders outside the workspace that tools may name. */
  allowed_paths: readonly string[]
  protected_patterns: readonly string[]
  /** Keel's own home: no tool writes there. */
  home: string
  /** Counts this use of the tool and says how many there were in the last minute, this one included. */
  usesInLastMinute: (tool: string) => number
}

export interface Rule {
  name: string
  /** Creator is not held to it. */
  waivedForCreator: boolean
  /** Why the use is denied, or null. */
  denies: (use: ToolUse, settings: PolicySettings) => string | null
}

const maxUsesPerMinute = 30
const maxInputBytes = 100 * 1024
const moneyTool = /transfer|send|withdraw|deposit|payment|wallet/
const forbiddenMoneyKeys = ['drain', 'withdraw_all', 'export_private_key', 'set_wallet_path']
const dollarKeys = ['amount', 'amount_dollars', 'dollars', 'value']
const centKeys = ['amount_cents', 'cents', 'value_cents']

/** In order; the first that denies decides. */
export const rules: readonly Rule[] = [
  {
    name: 'authority',
    waivedForCreator: true,
    denies: ({ tool, authority }) =>
      riskAllowed(authority, tool.risk)
        ? null
        : `${authority} authority cannot use ${tool.risk}-level tool '${tool.name}'`,
  },
  {
    name: 'command_safety',
    waivedForCreator: false,
    denies: ({ tool }) => (tool.risk === 'Forbidden' ? `tool '${tool.name}' is forbidden` : null),
  },
  { name: 'financial', waivedForCreator: false, denies: deniesMoney },
  { name: 'path_protection', waivedForCreator: false, denies: deniesPath },
  { name: 'config_protection', waivedForCreator: false, denies: deniesOwnHome },
  {
    name: 'rate_limit',
    waivedForCreator: true,
    denies: ({ tool }, { usesInLastMinute }) =>
      usesInLastMinute(tool.name) > maxUsesPerMinute
        ? `tool '${tool.name}' was used more than ${maxUsesPerMinute} times in a minute`
        : null,
  },
  {
    name: 'validation',
    waivedForCreator: false,
    denies: ({ input }) =>
      Buffer.byteLength(JSON.stringify(input)) > maxInputBytes ? `the input is over ${maxInputBytes} bytes` : null,
  },
]

function deniesMoney({ tool, input }: ToolUse, { per_payment_cap }: PolicySettings): string | null {
  if (!moneyTool.test(tool.name)) return null
  const forbidden = forbiddenMoneyKeys.find((key) => Object.hasOwn(input, key))
  if (forbidden) return `'${forbidden}' is never allowed`
  const dollars = [...dollarKeys.map((key) => Number(input[key])), ...centKeys.map((key) => Number(input[key]) / 100)]
  const highest = Math.max(0, ...dollars.filter(Number.isFinite))
  return highest > per_payment_cap ? `$${highest} is over the cap of $${per_payment_cap} a payment` : null
}

function pathsOf({ tool, input }: ToolUse): string[] {
  return tool.paths.flatMap((name) => (typeof input[name] === 'string' ? [input[name]] : []))
}

function deniesPath(
  use: ToolUse,
  { workspace_only, allowed_paths, protected_patterns }: PolicySettings,
): string | null {
  for (const path of pathsOf(use)) {
    const lowered = path.replaceAll('\\', '/').toLowerCase()
    const pattern = protected_patterns.find((candidate) => lowered.includes(candidate.toLowerCase()))
    if (pattern) return `the path '${path}' is protected ('${pattern}')`
    if (lowered.split('/').includes('..')) return `the path '${path}' leads upwards`
    if (workspace_only && lowered.startsWith('/') && !allowed_paths.some((folder) => isUnder(path, folder))) {
      return `the path '${path}' is outside the workspace`
    }
  }
  return null
}

/** The workspace may lie inside the home, so a relative path is no matter here; what is absolute and inside is. */
function deniesOwnHome(use: ToolUse, { home, allowed_paths }: PolicySettings): string | null {
  const own = pathsOf(use).find(
    (path) => isUnder(path, home) && !allowed_paths.some((folder) => folder !== home && isUnder(path, folder)),
  )
  return own === undefined ? null : `the path '${own}' belongs to Keel itself`
}

function isUnder(path: string, folder: string): boolean {
  const root = folder.endsWith('/') ? folder : `${folder}/`
  return path === folder || path.startsWith(root)
}
