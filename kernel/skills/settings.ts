import type { Config } from '#kernel/config/schema.ts'

/** Where scripts of skills find the workspace. */
export function scriptWorkspace({ skills, agent }: Config): string {
  return skills.workspace_dir ?? agent.workspace
}

/** The configuration as the live skills need it. */
export function skillSettings({ skills }: Config) {
  return { dir: skills.skills_dir, hotReload: skills.hot_reload, toolChains: skills.tool_chains_enabled }
}
