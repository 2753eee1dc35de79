import { z } from 'zod'
import { agent, context, digest, learning, personality, session, tierAdapt, workspaceConfig } from './sections/agent.ts'
import { budgets } from './sections/budgets.ts'
import { channels } from './sections/channels.ts'
import { browser, mcp, plugins, skills } from './sections/guests.ts'
import { knowledge, memory, multimodal, obsidian } from './sections/memory.ts'
import { cache, circuitBreaker, models } from './sections/models.ts'
import { selfFunding, treasury, wallet, yieldSection } from './sections/money.ts'
import { a2a, devices, discovery } from './sections/network.ts'
import { providers } from './sections/providers.ts'
import { retention } from './sections/retention.ts'
import { scheduler } from './sections/scheduler.ts'
import { approvals, security } from './sections/security.ts'
import { cors, daemon, database, egress, server, update } from './sections/server.ts'
import { telemetry } from './sections/telemetry.ts'

export type { ProviderConfig } from './sections/providers.ts'

/** Everything that can be configured, with its defaults: an empty object is a whole configuration. */
export const configSchema = z.strictObject(
  {
    agent,
    server,
    scheduler,
    retention,
    database,
    models,
    providers,
    circuit_breaker: circuitBreaker,
    memory,
    cache,
    tier_adapt: tierAdapt,
    context,
    session,
    digest,
    learning,
    budgets,
    treasury,
    self_funding: selfFunding,
    yield: yieldSection,
    wallet,
    a2a,
    skills,
    channels,
    security,
    approvals,
    plugins,
    browser,
    daemon,
    update,
    personality,
    multimodal,
    knowledge,
    workspace_config: workspaceConfig,
    mcp,
    devices,
    discovery,
    obsidian,
    cors,
    egress,
    telemetry,
  },
  'expected a table',
)

export type Config = z.infer<typeof configSchema>
export type SectionName = keyof Config

export const sectionNames = Object.keys(configSchema.shape) as SectionName[]

export const defaultConfig: Config = configSchema.parse({})
