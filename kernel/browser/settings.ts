import type { Config } from '#kernel/config/schema.ts'
import type { BrowserSettings } from '#sdk/services/browser.ts'

/** The browser listens on none: it is spoken to over a pipe. */
export const noPort = 0

/** The configuration as the browser service needs it. */
export function browserSettingsOf({ browser, agent, egress }: Config): BrowserSettings {
  return {
    executable_path: browser.executable_path,
    headless: browser.headless,
    // Whoever reaches such a port has the browser with all that is logged in there, and needs no key for it.
    cdp_port: noPort,
    allowed_hosts: egress.allowed_hosts,
    workspace: agent.workspace,
    idle_ms: browser.idle_seconds * 1000,
  }
}
