import type { z } from 'zod'
import type { configCapabilities } from '#sdk/contracts/config.ts'
import { type KeyPath, startsWith } from './key-path.ts'
import { type Config, sectionNames } from './schema.ts'

/** Sections that a client leaves out when it sends a whole configuration back. */
const immutableSections = ['server', 'a2a', 'wallet'] as const

/** Values that keep what they had at the start until the next one. */
export const deferredPaths: readonly KeyPath[] = [
  ['server', 'bind'],
  ['server', 'port'],
  ['server', 'log_dir'],
  ['wallet'],
  ['database'],
]

export function isDeferred(path: KeyPath): boolean {
  return deferredPaths.some((deferred) => startsWith(path, deferred))
}

export function capabilitiesOf(config: Config): z.infer<typeof configCapabilities> {
  return {
    immutable_sections: [...immutableSections],
    mutable_sections: sectionNames.filter((name) => !(immutableSections as readonly string[]).includes(name)),
    notes: {
      runtime_reload: 'A change takes effect with the next request; what needs a restart is listed in deferred_apply.',
      deferred_apply_examples: ['server.bind', 'server.port', 'server.log_dir', 'wallet.*', 'database.*'],
      deferred_apply_behavior:
        'Such a change is accepted and kept in overrides.toml; the running value stays until the next start.',
    },
    features: {
      streaming: true,
      a2a: config.a2a.enabled,
      approvals: config.approvals.enabled,
      browser: config.browser.enabled,
      cache: config.cache.enabled,
      delegation: config.agent.delegation_enabled,
      devices: config.devices.enabled,
      discovery: config.discovery.enabled,
      embeddings: config.memory.embedding_provider !== null && config.memory.embedding_model !== null,
      learning: config.learning.enabled,
      mcp_server: config.mcp.server_enabled,
      multimodal: config.multimodal.enabled,
      obsidian: config.obsidian.enabled,
      tiered_inference: config.models.tiered_inference.enabled,
    },
  }
}
