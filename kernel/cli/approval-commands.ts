import type { Command } from 'commander'
import {
  approve,
  type DecisionOptions,
  deny,
  listApprovals,
  listGrants,
  revokeGrant,
  showApproval,
} from './approvals.ts'
import type { CliSession } from './connection.ts'

/** `keel approvals …` with its options. */
export function addApprovalCommands(program: Command, session: (command: Command) => CliSession): void {
  const approvals = program.command('approvals').description('the tool calls that wait for a person')
  approvals
    .command('list')
    .description('show what waits')
    .option('--all', 'and what was decided')
    .action((options: { all?: boolean }, command: Command) => listApprovals(session(command), options))
  approvals
    .command('show')
    .description('show one in full')
    .argument('<request>')
    .action((id: string, _, command: Command) => showApproval(session(command), id))
  approvals
    .command('approve')
    .description('let exactly this call run')
    .argument('<request>')
    .option('--scope <scope>', 'once, session or always: the same call is not asked about again')
    .option('--reason <text>', 'why, for the record')
    .action((id: string, options: DecisionOptions, command: Command) => approve(session(command), id, options))
  approvals
    .command('deny')
    .description('refuse it; the model is told why')
    .argument('<request>')
    .option('--reason <text>', 'why')
    .action((id: string, options: DecisionOptions, command: Command) => deny(session(command), id, options))
  approvals
    .command('grants')
    .description('show the standing approvals')
    .action((_, command: Command) => listGrants(session(command)))
  approvals
    .command('revoke')
    .description('take a standing approval back')
    .argument('<grant>')
    .action((id: string, _, command: Command) => revokeGrant(session(command), id))
}
