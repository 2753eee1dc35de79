import type { Command } from 'commander'
import type { CliSession } from './connection.ts'
import {
  addMemory,
  consolidateMemory,
  type FindOptions,
  type ForgetOptions,
  forgetMemory,
  listMemory,
  searchMemory,
  showMemory,
  showMemoryStatus,
} from './memory.ts'
import { exportMemory, importMemory } from './memory-transfer.ts'

/** `keel memory …` with its options. */
export function addMemoryCommands(program: Command, session: (command: Command) => CliSession): void {
  const memory = program.command('memory').description('what the agent remembers')
  memory
    .command('search')
    .description('find entries, and show why each was found')
    .argument('<words...>', 'a quoted phrase is looked for as it stands')
    .option('-n, --limit <count>', 'how many')
    .option('--tier <tier>', 'working, episodic, semantic, procedural or relationship')
    .option('--category <category>', 'only of this')
    .option('--session <id>', 'only of this session')
    .action((words: string[], options: FindOptions, command: Command) => searchMemory(session(command), words, options))
  memory
    .command('list')
    .description('show one tier')
    .argument('[tier]', 'working, episodic, semantic, procedural or relationship', 'semantic')
    .option('-n, --limit <count>', 'how many')
    .option('--offset <count>', 'after skipping so many')
    .option('--category <category>', 'only of this, for episodic and semantic')
    .option('--session <id>', 'only of this session, for working and episodic')
    .action((tier: string, options: FindOptions, command: Command) => listMemory(session(command), tier, options))
  memory
    .command('show')
    .description('show one entry, where it is from and what it took the place of')
    .argument('<id>')
    .action((id: string, _, command: Command) => showMemory(session(command), id))
  memory
    .command('add')
    .description('remember something')
    .argument('<words...>')
    .option('--category <category>', 'such as preference or project')
    .option('--key <key>', 'names the fact; a new value takes the place of the old one')
    .action((words: string[], options: { category?: string; key?: string }, command: Command) =>
      addMemory(session(command), words, options),
    )
  memory
    .command('forget')
    .description('remove one entry, a session or everything about a subject, for good')
    .argument('[id]')
    .option('--session <id>', 'all that came of this session')
    .option('--subject <phrase>', 'all that names it')
    .option('--dry-run', 'only say what it would be')
    .option('-y, --yes', 'without being asked')
    .action((id: string | undefined, options: ForgetOptions, command: Command) =>
      forgetMemory(session(command), id, options),
    )
  memory
    .command('export')
    .description('write everything as JSON Lines')
    .argument('[file]', 'stdout unless told')
    .option('--tier <tier>', 'only this tier')
    .action((file: string | undefined, options: { tier?: string }, command: Command) =>
      exportMemory(session(command), file, options),
    )
  memory
    .command('import')
    .description('take up the lines of an export')
    .argument('<file>', '"-" reads them from stdin')
    .action((file: string, _, command: Command) => importMemory(session(command), file))
  memory
    .command('consolidate')
    .description('merge what is said twice and let go of what has faded, now')
    .action((_, command: Command) => consolidateMemory(session(command)))
  memory
    .command('status')
    .description('show how much is remembered, and what waits to be')
    .action((_, command: Command) => showMemoryStatus(session(command)))
}
