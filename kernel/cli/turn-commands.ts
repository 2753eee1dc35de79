import { type Command, InvalidArgumentError } from 'commander'
import type { CliSession } from './connection.ts'
import { type ListOptions, listTurns, showTurn } from './turn.ts'
import { listReplays, type ReplayOptions, replayTurn } from './turn-replay.ts'
import { wholeNumber } from './whole-number.ts'

/** `keel turn …` with its options. */
export function addTurnCommands(program: Command, session: (command: Command) => CliSession): void {
  const turn = program.command('turn').alias('turns').description('what was asked, what was answered, and why so')
  turn
    .command('list')
    .description('show the turns of a session, of the one used last unless told')
    .argument('[session]')
    .option('-n, --limit <count>', 'how many, the newest', '20')
    .action((id: string | undefined, options: ListOptions, command: Command) =>
      listTurns(session(command), id, options),
    )
  turn
    .command('show')
    .description('show what its model saw and was not shown, each call, and what it cost')
    .argument('<turn>')
    .option('--all', 'each tool and each message by itself')
    .action((id: string, options: { all?: boolean }, command: Command) => showTurn(session(command), id, options))
  turn
    .command('replay')
    .description('run it again under other terms, without effects, and compare the answers')
    .argument('<turn>')
    .option('--model <model>', 'provider/model; the one that answered unless told')
    .option('--prompt-file <file>', 'in the place of the system prompt')
    .option('--append <text>', 'after the system prompt')
    .option('--question <text>', 'in the place of the question')
    .option('--temperature <number>', '0 to 2', decimal)
    .option('--max-tokens <count>', 'of each answer of the model', wholeNumber)
    .option('--max-steps <count>', 'rounds of tools', wholeNumber)
    .action((id: string, options: ReplayOptions, command: Command) => replayTurn(session(command), id, options))
  turn
    .command('replays')
    .description('show the replays that are kept of it')
    .argument('<turn>')
    .action((id: string, _, command: Command) => listReplays(session(command), id))
}

function decimal(text: string): number {
  if (!/^\d+(\.\d+)?$/.test(text)) throw new InvalidArgumentError('Expected a number.')
  return Number(text)
}
