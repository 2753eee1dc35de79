import type { Config } from '#kernel/config/schema.ts'

/** The configuration as the judge of tool calls needs it. */
export function judgeSettings({ agent, treasury, security, approvals }: Config, home: string) {
  const { filesystem } = security
  return {
    approvals,
    policy: {
      per_payment_cap: treasury.per_payment_cap,
      workspace_only: filesystem.workspace_only,
      workspace: agent.workspace,
      allowed_paths: filesystem.tool_allowed_paths,
      protected_patterns: [...filesystem.protected_paths, ...filesystem.extra_protected_paths],
      home,
    },
  }
}
