import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import { createEventBus } from '#kernel/events/bus.ts'
import { type ApprovalSettings, openJudge } from '#kernel/policy/judge.ts'
import type { Tool, ToolCaller } from '#kernel/tools/tool.ts'
import { openApprovals } from './approvals.ts'
import { temporaryStore } from './temp-store.ts'

export const apiCaller: ToolCaller = {
  turn_id: null,
  session_id: null,
  agent_id: null,
  channel: 'api',
  authority: 'Creator',
}

/** A tool that notes what it is run with. */
export function notingTool(change: Partial<Tool> = {}) {
  const runs: Record<string, unknown>[] = []
  const tool: Tool = {
    name: 'send_note',
    description: '',
    parameters: {},
    risk: 'Safe',
    idempotent: false,
    paths: [],
    timeoutMs: 1_000,
    version: '1',
    source: { kind: 'plugin', plugin: 'notes', tool: 'send_note' },
    parse: (raw) => raw,
    async run(input) {
      runs.push(input)
      return { status: 'success', output: 'Sent.' }
    },
    ...change,
  }
  return { tool, runs }
}

/** The gate before `send_*`, with all that it keeps and tells. */
export function openGate(settings: Partial<ApprovalSettings> = {}) {
  const { store } = temporaryStore()
  const log = pino({ enabled: false })
  const bus = createEventBus({ db: store.write, log })
  onTestFinished(() => bus.close())
  const told: string[] = []
  bus.subscribe(({ type }) => void told.push(type))
  const approvals = openApprovals(store, bus)
  const policy = {
    per_payment_cap: 100,
    workspace_only: true,
    workspace: '/work',
    allowed_paths: [],
    protected_patterns: [],
    home: '/home/keel',
  }
  const current: ApprovalSettings = {
    enabled: true,
    gated_tools: ['send_*'],
    blocked_tools: [],
    gate_risk: 'Forbidden',
    ...settings,
  }
  const judge = openJudge(() => ({ policy, approvals: current }))
  return { store, bus, log, approvals, judge, settings: current, told }
}
