import type { Config } from '#kernel/config/schema.ts'
import type { ToolSettings } from '#sdk/services/tools.ts'

/** The configuration as the tools service needs it. */
export function toolSettingsOf({ agent, security, egress, skills }: Config, home: string): ToolSettings {
  const { filesystem } = security
  return {
    workspace: agent.workspace,
    home,
    allowed_paths: filesystem.tool_allowed_paths,
    protected_patterns: [...filesystem.protected_paths, ...filesystem.extra_protected_paths],
    allowed_hosts: egress.allowed_hosts,
    scripts: {
      allowed_interpreters: skills.allowed_interpreters,
      clear_env: skills.sandbox_env,
      confined: filesystem.script_fs_confinement,
      network: skills.network_allowed,
      timeout_ms: skills.script_timeout_seconds * 1000,
      output_bytes: skills.script_max_output_bytes,
      memory_bytes: skills.script_max_memory_bytes,
      writable_paths: [
        ...filesystem.script_allowed_paths,
        ...(skills.workspace_dir === null ? [] : [skills.workspace_dir]),
      ],
    },
  }
}
