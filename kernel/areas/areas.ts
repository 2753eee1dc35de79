import type { Context } from '#kernel/context.ts'
import type { Areas } from '#kernel/http/mount.ts'
import { api } from '#sdk/api.ts'
import { agentHandlers } from './agent.ts'
import { approvalsHandlers } from './approvals.ts'
import { auditHandlers } from './audit.ts'
import { breakerHandlers } from './breaker.ts'
import { browserHandlers } from './browser.ts'
import { budgetsHandlers } from './budgets.ts'
import { channelsHandlers } from './channels.ts'
import { compatHandlers } from './compat.ts'
import { configHandlers } from './config.ts'
import { cronHandlers } from './cron.ts'
import { eventsHandlers } from './events.ts'
import { feedbackHandlers } from './feedback.ts'
import { healthHandlers } from './health.ts'
import { logsHandlers } from './logs.ts'
import { memoryHandlers } from './memory.ts'
import { modelsHandlers } from './models.ts'
import { pluginsHandlers } from './plugins.ts'
import { providersHandlers } from './providers.ts'
import { recommendationsHandlers } from './recommendations.ts'
import { retentionHandlers } from './retention.ts'
import { servicesHandlers } from './services.ts'
import { sessionsHandlers } from './sessions.ts'
import { shellHandlers } from './shell.ts'
import { skillsHandlers } from './skills.ts'
import { statsHandlers } from './stats.ts'
import { turnsHandlers } from './turns.ts'
import { webhooksHandlers } from './webhooks.ts'

/** Every area of the API with its handlers; areas whose routes are all pending have none yet. */
export const areas: Areas<typeof api, Context> = {
  health: { table: api.health, handlers: healthHandlers },
  config: { table: api.config, handlers: configHandlers },
  logs: { table: api.logs, handlers: logsHandlers },
  sessions: { table: api.sessions, handlers: sessionsHandlers },
  memory: { table: api.memory, handlers: memoryHandlers },
  models: { table: api.models, handlers: modelsHandlers },
  providers: { table: api.providers, handlers: providersHandlers },
  cron: { table: api.cron, handlers: cronHandlers },
  stats: { table: api.stats, handlers: statsHandlers },
  budgets: { table: api.budgets, handlers: budgetsHandlers },
  breaker: { table: api.breaker, handlers: breakerHandlers },
  agent: { table: api.agent, handlers: agentHandlers },
  turns: { table: api.turns, handlers: turnsHandlers },
  feedback: { table: api.feedback, handlers: feedbackHandlers },
  recommendations: { table: api.recommendations, handlers: recommendationsHandlers },
  wallet: { table: api.wallet, handlers: {} },
  skills: { table: api.skills, handlers: skillsHandlers },
  plugins: { table: api.plugins, handlers: pluginsHandlers },
  browser: { table: api.browser, handlers: browserHandlers },
  agents: { table: api.agents, handlers: {} },
  subagents: { table: api.subagents, handlers: {} },
  roster: { table: api.roster, handlers: {} },
  approvals: { table: api.approvals, handlers: approvalsHandlers },
  interview: { table: api.interview, handlers: {} },
  audit: { table: api.audit, handlers: auditHandlers },
  runtime: { table: api.runtime, handlers: {} },
  workspace: { table: api.workspace, handlers: {} },
  a2a: { table: api.a2a, handlers: {} },
  webhooks: { table: api.webhooks, handlers: webhooksHandlers },
  channels: { table: api.channels, handlers: channelsHandlers },
  compat: { table: api.compat, handlers: compatHandlers },
  mcp: { table: api.mcp, handlers: {} },
  events: { table: api.events, handlers: eventsHandlers },
  retention: { table: api.retention, handlers: retentionHandlers },
  services: { table: api.services, handlers: servicesHandlers },
  shell: { table: api.shell, handlers: shellHandlers },
}

/** Not counted by the rate limits: a dashboard that asks how Keel is doing must not be the one that trips them. */
export const unlimitedRoutes: ReadonlySet<string> = new Set([
  'health.getHealth',
  'shell.getDashboard',
  'shell.getFavicon',
])
