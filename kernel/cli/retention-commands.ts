import type { Command } from 'commander'
import type { CliSession } from './connection.ts'
import { compactDatabase, pruneRecords, showRetention } from './retention.ts'

/** `keel retention …` with its options. */
export function addRetentionCommands(program: Command, session: (command: Command) => CliSession): void {
  const retention = program.command('retention').description('how long records are kept')
  retention
    .command('show', { isDefault: true })
    .description('show how long each kind is kept, and what was removed')
    .action((_, command: Command) => showRetention(session(command)))
  retention
    .command('prune')
    .description('remove now what is older')
    .action((_, command: Command) => pruneRecords(session(command)))
  retention
    .command('compact')
    .description('write the database of a stopped Keel anew, without its empty pages')
    .action((_, command: Command) => compactDatabase(session(command)))
}
