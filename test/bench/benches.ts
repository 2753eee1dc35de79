import type { Bench } from './bench.ts'

/** Every bench, in the order in which they run; loaded one at a time. */
export const benches: Record<string, () => Promise<Bench>> = {
  gateway: async () => (await import('./gateway.ts')).gateway,
  health: async () => (await import('./health.ts')).health,
  'agent-turn': async () => (await import('./agent-turn.ts')).agentTurn,
  'rpc-hop': async () => (await import('./rpc-hop.ts')).rpcHop,
  'event-loop': async () => (await import('./event-loop.ts')).eventLoop,
  memory: async () => (await import('./memory.ts')).memory,
  observatory: async () => (await import('./observatory.ts')).observatory,
  scheduler: async () => (await import('./scheduler.ts')).scheduler,
  browser: async () => (await import('./browser.ts')).browser,
  'process-memory': async () => (await import('./process-memory.ts')).processMemory,
  'start-up': async () => (await import('./start-up.ts')).startUp,
  websocket: async () => (await import('./websocket.ts')).websocket,
  'service-kills': async () => (await import('./service-kills.ts')).serviceKills,
  'turn-kills': async () => (await import('./turn-kills.ts')).turnKills,
  'kernel-kills': async () => (await import('./kernel-kills.ts')).kernelKills,
  'crash-loop': async () => (await import('./crash-loop.ts')).crashLoop,
  'kernel-handover': async () => (await import('./kernel-handover.ts')).kernelHandover,
  sandbox: async () => (await import('./sandbox.ts')).sandbox,
  'plugin-reload': async () => (await import('./plugin-reload.ts')).pluginReload,
  'skill-reload': async () => (await import('./skill-reload.ts')).skillReload,
  'plugin-faults': async () => (await import('./plugin-faults.ts')).pluginFaults,
  'upstream-faults': async () => (await import('./upstream-faults.ts')).upstreamFaults,
}
