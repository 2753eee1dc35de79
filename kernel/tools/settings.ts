import type { Config } from '#kernel/config/schema.ts'
import type { ToolSettings } from '#sdk/services/tools.ts'

/** The configuration as the tools service needs it. */
export function toolSettingsOf({ agent, security, egress }: Config): ToolSettings {
  const { filesystem } = security
  return {
    workspace: agent.workspace,
    allowed_paths: filesystem.tool_allowed_paths,
    protected_patterns: [...filesystem.protected_paths, ...filesystem.extra_protected_paths],
    allowed_hosts: egress.allowed_hosts,
  }
}
