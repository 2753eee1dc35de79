import { z } from 'zod'
import { get, post } from '../route.ts'
import { count, time } from './values.ts'

export const agentState = z.enum(['Idle', 'Starting', 'Running', 'Stopped', 'Error'])

/** A sub-agent that can take tasks, as it runs now. */
export const agentInstance = z.object({
  /** The sub-agent's name. */
  id: z.string(),
  /** For display. */
  name: z.string(),
  display_name: z.string().nullable(),
  description: z.string().nullable(),
  role: z.string(),
  model: z.string(),
  enabled: z.boolean(),
  state: agentState,
  session_count: count,
  active_tasks: count,
  started_at: time.nullable(),
  created_at: time,
  last_error: z.string().nullable(),
})
export type AgentInstance = z.infer<typeof agentInstance>

export const agentsRoutes = {
  listAgents: get('/api/agents', {
    summary: 'List agent instances',
    response: z.object({ agents: z.array(agentInstance), count }),
  }),
  startAgent: post('/api/agents/:id/start', {
    summary: 'Start an agent',
    response: z.object({ id: z.string(), action: z.literal('started'), status: z.literal('running') }),
  }),
  stopAgent: post('/api/agents/:id/stop', {
    summary: 'Stop an agent',
    response: z.object({ id: z.string(), action: z.literal('stopped'), status: z.literal('stopped') }),
  }),
}
