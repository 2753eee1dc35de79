import { type Command, Option } from 'commander'
import type { CliSession } from './connection.ts'
import { type Period, showCache, showCosts, showEfficiency, showTimeseries, showTransactions } from './stats.ts'
import { wholeNumber } from './whole-number.ts'

/** `keel stats …`; without a further word it is `efficiency`. */
export function addStatsCommands(program: Command, session: (command: Command) => CliSession): void {
  const stats = program.command('stats').description('what the models cost and what they did for it')
  stats
    .command('efficiency', { isDefault: true })
    .description('show each model with its turns, its costs and how it was graded')
    .addOption(new Option('--period <period>', 'how far back').choices(['1h', '24h', '7d', '30d', 'all']).default('7d'))
    .option('--model <model>', 'only this one')
    .action((options: { period: Period; model?: string }, command: Command) =>
      showEfficiency(session(command), options),
    )
  stats
    .command('costs')
    .description('show the newest calls, and what all of them cost')
    .option('--hours <hours>', 'how far back; 0 for all', wholeNumber, 24)
    .option('-n, --limit <count>', 'how many calls to show', wholeNumber, 20)
    .action((options: { hours: number; limit: number }, command: Command) => showCosts(session(command), options))
  stats
    .command('timeseries')
    .description('show what each hour had')
    .option('--hours <hours>', 'how many, up to 168', wholeNumber, 24)
    .action((options: { hours: number }, command: Command) => showTimeseries(session(command), options))
  stats
    .command('cache')
    .description('show what the cache had to be asked for')
    .action((_, command: Command) => showCache(session(command)))
  stats
    .command('transactions')
    .description('show what was booked, newest first')
    .option('--hours <hours>', 'how far back', wholeNumber, 24)
    .option('-n, --limit <count>', 'how many', wholeNumber, 50)
    .action((options: { hours: number; limit: number }, command: Command) =>
      showTransactions(session(command), options),
    )
}
