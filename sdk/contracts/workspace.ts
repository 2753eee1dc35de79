import { z } from 'zod'
import { get } from '../route.ts'
import { count, fraction, time } from './values.ts'

const maxPathLength = 4096

export const workstation = z.enum(['llm', 'memory', 'exec', 'blockchain', 'web', 'files', 'standby'])

export const workspaceAgent = z.object({
  id: z.string(),
  name: z.string(),
  role: z.enum(['agent', 'subagent']),
  state: z.string(),
  color: z.string(),
  model: z.string(),
  current_workstation: workstation,
  activity: z.enum(['idle', 'inference', 'tool_execution', 'working']),
  active_skill: z.string().nullable(),
  /** Of the main agent only. */
  skills: z.array(z.string()).optional(),
  updated_at: time,
  subordinates: z.array(z.string()),
  supervisor: z.string().nullable(),
})

export const workspaceRoutes = {
  getWorkspaceState: get('/api/workspace/state', {
    summary: 'Workspace file/state overview',
    /** A folder inside the workspace, relative to it. */
    query: z.object({ path: z.string().max(maxPathLength).optional() }),
    response: z.object({
      agents: z.array(workspaceAgent),
      /** `x` and `y` are fractions of the canvas. */
      systems: z.array(z.object({ id: z.string(), name: z.string(), kind: z.string(), x: fraction, y: fraction })),
      files: z.object({
        workspace_root: z.string(),
        top_level_entries: z.array(
          z.object({
            name: z.string(),
            kind: z.enum(['dir', 'file']),
            size: count.optional(),
            modified_at: time.optional(),
          }),
        ),
        entry_count: count,
      }),
      interactions: z.array(
        z.object({ from: z.string(), to: z.string(), kind: z.string(), at: time, turn_id: z.string().nullable() }),
      ),
    }),
  }),
}
