import type { Approval } from '#sdk/contracts/approvals.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { terminalLine } from '../logs/terminal-text.ts'
import type { CliSession } from './connection.ts'
import { duration } from './status.ts'
import { visibleJson } from './visible-json.ts'

export interface DecisionOptions {
  scope?: string
  reason?: string
}

const scopes = ['once', 'session', 'always'] as const

export async function listApprovals({ client, out }: CliSession, { all }: { all?: boolean }): Promise<void> {
  out.value(await client.approvals.listApprovals({ query: {} }), ({ pending, approvals }) => {
    const shown = all ? approvals : pending
    if (shown.length === 0)
      return out.line(all ? 'Nothing was ever held for an approval.' : 'Nothing waits for an approval.')
    out.table(
      ['REQUEST', 'TOOL', 'RISK', 'ASKED BY', 'STATUS', 'LEFT', 'INPUT'],
      shown.map((approval) => [
        approval.id,
        approval.tool_name,
        approval.risk_level,
        approval.channel ?? '–',
        approval.status,
        approval.status === 'Pending' ? duration(approval.expires_in_seconds) : '–',
        approval.tool_input.length > 60
          ? `${approval.tool_input.slice(0, 60)}… (see keel approvals show)`
          : approval.tool_input,
      ]),
    )
  })
}

/** Shows the whole of what is asked: what is approved is exactly this. */
export async function showApproval({ client, out }: CliSession, id: string): Promise<void> {
  out.value(await client.approvals.getApproval({ params: { id } }), (approval) => {
    for (const [name, value] of describe(approval))
      out.line(`${out.style('dim', name.padEnd(10))}${terminalLine(value)}`)
    out.line(out.style('dim', 'input'))
    out.line(visibleJson(JSON.parse(approval.tool_input), 2))
    if (approval.tool_call?.output) {
      out.line(out.style('dim', `output (${approval.tool_call.status})`))
      out.raw(`${approval.tool_call.output}\n`)
    }
  })
}

function describe(approval: Approval): [name: string, value: string][] {
  const decided = approval.decided_by === null ? '' : ` by ${approval.decided_by} at ${approval.decided_at}`
  return [
    ['tool', `${approval.tool_name} (${approval.risk_level})`],
    ['why', approval.policy_reason ?? approval.policy_rule],
    ['asked by', `${approval.requested_authority} over ${approval.channel}, session ${approval.session_id ?? '–'}`],
    ['status', `${approval.status}${decided}${approval.scope === null ? '' : `, ${approval.scope}`}`],
    ...(approval.reason === null ? [] : ([['reason', approval.reason]] as [string, string][])),
    ...(approval.status === 'Pending'
      ? ([['time left', duration(approval.expires_in_seconds)]] as [string, string][])
      : []),
  ]
}

export async function approve({ client, out }: CliSession, id: string, options: DecisionOptions): Promise<void> {
  const scope = scopes.find((known) => known === (options.scope ?? 'once'))
  if (!scope) throw new RuntimeError('invalid', `--scope is one of ${scopes.join(', ')}`)
  const body = { decided_by: 'cli', scope, ...(options.reason !== undefined && { reason: options.reason }) }
  out.value(await client.approvals.approveRequest({ params: { id }, body }), ({ approval }) =>
    out.line(`${approval.tool_name} is approved${scope === 'once' ? '' : ` (${scope})`} and goes on.`),
  )
}

export async function deny({ client, out }: CliSession, id: string, options: DecisionOptions): Promise<void> {
  const body = { decided_by: 'cli', ...(options.reason !== undefined && { reason: options.reason }) }
  out.value(await client.approvals.denyRequest({ params: { id }, body }), ({ tool_name }) =>
    out.line(`${tool_name} is denied.`),
  )
}

export async function listGrants({ client, out }: CliSession): Promise<void> {
  out.value(await client.approvals.listApprovalGrants(), ({ grants }) => {
    if (grants.length === 0) return out.line('There are no standing approvals.')
    out.table(
      ['GRANT', 'TOOL', 'WHERE', 'BY', 'INPUT'],
      grants.map((grant) => [
        grant.id,
        grant.tool_name,
        grant.session_id === null ? 'always' : `session ${grant.session_id}`,
        grant.decided_by,
        grant.tool_input,
      ]),
    )
  })
}

export async function revokeGrant({ client, out }: CliSession, id: string): Promise<void> {
  out.value(await client.approvals.deleteApprovalGrant({ params: { id } }), () => out.line(`${id} is taken back.`))
}
