import { a2aRoutes } from './contracts/a2a.ts'
import { agentRoutes } from './contracts/agent.ts'
import { agentsRoutes } from './contracts/agents.ts'
import { approvalsRoutes } from './contracts/approvals.ts'
import { auditRoutes } from './contracts/audit.ts'
import { breakerRoutes } from './contracts/breaker.ts'
import { browserRoutes } from './contracts/browser.ts'
import { budgetsRoutes } from './contracts/budgets.ts'
import { channelsRoutes } from './contracts/channels.ts'
import { compatRoutes } from './contracts/compat.ts'
import { configRoutes } from './contracts/config.ts'
import { cronRoutes } from './contracts/cron.ts'
import { eventsRoutes } from './contracts/events.ts'
import { feedbackRoutes } from './contracts/feedback.ts'
import { healthRoutes } from './contracts/health.ts'
import { interviewRoutes } from './contracts/interview.ts'
import { logsRoutes } from './contracts/logs.ts'
import { mcpRoutes } from './contracts/mcp.ts'
import { memoryRoutes } from './contracts/memory.ts'
import { modelsRoutes } from './contracts/models.ts'
import { pluginsRoutes } from './contracts/plugins.ts'
import { providersRoutes } from './contracts/providers.ts'
import { recommendationsRoutes } from './contracts/recommendations.ts'
import { retentionRoutes } from './contracts/retention.ts'
import { rosterRoutes } from './contracts/roster.ts'
import { runtimeRoutes } from './contracts/runtime.ts'
import { servicesRoutes } from './contracts/services.ts'
import { sessionsRoutes } from './contracts/sessions.ts'
import { shellRoutes } from './contracts/shell.ts'
import { skillsRoutes } from './contracts/skills.ts'
import { statsRoutes } from './contracts/stats.ts'
import { subagentsRoutes } from './contracts/subagents.ts'
import { turnsRoutes } from './contracts/turns.ts'
import { walletRoutes } from './contracts/wallet.ts'
import { webhooksRoutes } from './contracts/webhooks.ts'
import { workspaceRoutes } from './contracts/workspace.ts'

/** Every route that the router serves, by area. The WebSocket stands beside it, in `socketRoutes`. */
export const api = {
  health: healthRoutes,
  config: configRoutes,
  logs: logsRoutes,
  sessions: sessionsRoutes,
  memory: memoryRoutes,
  models: modelsRoutes,
  providers: providersRoutes,
  cron: cronRoutes,
  stats: statsRoutes,
  budgets: budgetsRoutes,
  breaker: breakerRoutes,
  agent: agentRoutes,
  turns: turnsRoutes,
  feedback: feedbackRoutes,
  recommendations: recommendationsRoutes,
  wallet: walletRoutes,
  skills: skillsRoutes,
  plugins: pluginsRoutes,
  browser: browserRoutes,
  agents: agentsRoutes,
  subagents: subagentsRoutes,
  roster: rosterRoutes,
  approvals: approvalsRoutes,
  interview: interviewRoutes,
  audit: auditRoutes,
  runtime: runtimeRoutes,
  workspace: workspaceRoutes,
  a2a: a2aRoutes,
  webhooks: webhooksRoutes,
  channels: channelsRoutes,
  compat: compatRoutes,
  mcp: mcpRoutes,
  events: eventsRoutes,
  retention: retentionRoutes,
  services: servicesRoutes,
  shell: shellRoutes,
} as const

export type Api = typeof api
