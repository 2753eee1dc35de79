import type { Authority, ToolOutcome } from '#sdk/services/agent.ts'
import type { RiskLevel } from '#sdk/services/tools.ts'

/** Where a tool comes from; the audit tells it. */
export type ToolSource =
  | { kind: 'builtin' }
  /** `tool` is its name there, which may be another's as well. */
  | { kind: 'plugin'; plugin: string; tool: string }
  | { kind: 'skill'; id: string; name: string; hash: string }

export interface Standing {
  /** What vouched for the caller. */
  sources: string[]
  /** The lowest ceiling that applied. */
  ceiling: Authority | null
  threat_score: number
}

/** Who has a tool run, whichever way in they took. */
export interface ToolCaller {
  /** null outside a turn, as for a call over the API. */
  turn_id: string | null
  session_id: string | null
  agent_id: string | null
  channel: string
  authority: Authority
  /** Why the caller has this authority; for the record alone. */
  standing?: Standing | undefined
}

export interface ToolRun {
  /** Names this call, so that the same one is known again. */
  call_id: string
  caller: ToolCaller
  /** As it was judged, and no other may run: the tool's own, or what its conditions said then. */
  version: string
  signal: AbortSignal
  /** Tells a person how far the work is. */
  progress?: (message: string) => void
}

export interface ToolAnswer {
  /** `unknown`: it had begun and nobody can say whether it took effect. */
  status: Extract<ToolOutcome['status'], 'success' | 'partial_success' | 'error' | 'unknown'>
  /** A model is shown at most `maxToolOutputBytes` of it. */
  output: string
  metadata?: Record<string, unknown>
}

/** What one call is to the policy, where that depends on its input. */
export interface CallConditions {
  /** Takes the place of the tool's own. */
  risk?: RiskLevel
  /** Why a person is asked, whatever the settings say. */
  ask?: string
  /** Why the call is denied, whoever asks. */
  deny?: string
  /** Takes the place of the tool's own. */
  version?: string
  source?: ToolSource
}

/** What every tool is to the kernel, whoever wrote it. */
export interface Tool {
  /** As the model calls it: `[A-Za-z0-9_-]{1,64}`. */
  name: string
  description: string
  /** A JSON Schema. */
  parameters: Record<string, unknown>
  risk: RiskLevel
  /** Running it twice does no harm, so it may be run again when nobody knows whether it ran. */
  idempotent: boolean
  /** Which of its parameters are paths, for the policy. */
  paths: readonly string[]
  timeoutMs: number
  /** For the API alone: no model is offered it. */
  hidden?: boolean
  /** Changes with what the tool does: an approval of one version holds for no other. */
  version: string
  source: ToolSource
  /** The input as the tool takes it, or what is wrong with it, in words for the model. */
  parse(raw: Record<string, unknown>): Record<string, unknown> | string
  conditions?(input: Record<string, unknown>, caller: ToolCaller): CallConditions
  run(input: Record<string, unknown>, run: ToolRun): Promise<ToolAnswer>
}
