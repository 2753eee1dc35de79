import type { Handlers } from '#kernel/http/handler.ts'
import type { RouteTable } from '#sdk/route.ts'

/** Routes of the contract, as `area.route`, that answer 501 for now. */
export const pendingRoutes = [
  'a2a.getAgentCard',
  'a2a.getProtocolAgentCard',
  'a2a.greetPeer',
  'agents.listAgents',
  'agents.startAgent',
  'agents.stopAgent',
  'interview.finishInterview',
  'interview.startInterview',
  'interview.submitInterviewTurn',
  'mcp.closeMcpSession',
  'mcp.openMcpStream',
  'mcp.postMcpMessage',
  'roster.getRoster',
  'roster.setRosterModel',
  'runtime.deleteDevice',
  'runtime.disconnectMcpClient',
  'runtime.discoverMcpTools',
  'runtime.getDevice',
  'runtime.getMcpStatus',
  'runtime.getSurfaces',
  'runtime.listDevices',
  'runtime.listDiscoveredAgents',
  'runtime.pairDevice',
  'runtime.registerDiscoveredAgent',
  'runtime.verifyDevice',
  'runtime.verifyDiscoveredAgent',
  'subagents.createSubagent',
  'subagents.deleteSubagent',
  'subagents.getSubagent',
  'subagents.listSubagents',
  'subagents.toggleSubagent',
  'subagents.toggleSubagentByPost',
  'subagents.updateSubagent',
  'wallet.getWalletAddress',
  'wallet.getWalletBalance',
  'wallet.listSwaps',
  'wallet.listTaxPayouts',
  'workspace.getWorkspaceState',
] as const

type PendingIn<A extends string> = (typeof pendingRoutes)[number] extends infer Name
  ? Name extends `${A}.${infer Key}`
    ? Key
    : never
  : never

/** A handler for every route of an area that is not pending; one that is missing or too many does not compile. */
export type RealHandlers<A extends string, T extends RouteTable, C> = Handlers<Omit<T, PendingIn<A>>, C>
