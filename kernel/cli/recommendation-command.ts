import { type Command, Option } from 'commander'
import type { CliSession } from './connection.ts'
import { type RecommendationOptions, recommendations } from './recommendations.ts'

/** `keel recommendations` with its options. */
export function addRecommendationCommand(program: Command, session: (command: Command) => CliSession): void {
  program
    .command('recommendations')
    .description('what would make answers better or cheaper, and why')
    .option('--period <period>', 'how far back to look: 1h, 24h, 7d, 30d or all')
    .option('--all', 'and those that were dismissed')
    .addOption(
      new Option('--apply <id>', 'make the change of the settings that it names').conflicts([
        'dismiss',
        'restore',
        'deep',
      ]),
    )
    .option('-y, --yes', 'with --apply: without being asked')
    .addOption(new Option('--dismiss <id>', 'list it no more').conflicts(['restore', 'deep']))
    .addOption(new Option('--restore <id>', 'list a dismissed one again').conflicts('deep'))
    .option('--deep', 'have a model look at the figures too; that costs what its call costs')
    .action((options: RecommendationOptions, command: Command) => recommendations(session(command), options))
}
