import { type Command, Option } from 'commander'
import { platformName } from '#sdk/channels/platforms.ts'
import { delivery } from '#sdk/contracts/channels.ts'
import {
  type DeadLetterChoice,
  discardDeadLetters,
  listChannels,
  listDeadLetters,
  listOutbox,
  listPeers,
  type OutboxOptions,
  pairChannel,
  replayDeadLetters,
  restartChannel,
  sendMessage,
  setChannelSecret,
  testChannel,
  unpair,
} from './channels.ts'
import type { CliSession } from './connection.ts'

const channelArgument = ['<channel>', platformName.options.join(', ')] as const

/** `keel channels …` with its options. */
export function addChannelCommands(
  program: Command,
  session: (command: Command) => CliSession,
  onExitCode: (code: number) => void,
): void {
  const channels = program.command('channels').alias('channel').description('the chat platforms that Keel is on')
  channels
    .command('list')
    .description('show them and how they do')
    .option('--capabilities', 'what each platform can do, instead')
    .action((options: { capabilities?: boolean }, command: Command) => listChannels(session(command), options))
  channels
    .command('pair')
    .description('make a code with which one person shows Keel who they are')
    .argument(...channelArgument)
    .addOption(new Option('--authority <authority>', 'what that person may; Peer unless told').choices(authorities))
    .action((channel: string, options: { authority?: (typeof authorities)[number] }, command: Command) =>
      pairChannel(session(command), channel, options),
    )
  channels
    .command('peers')
    .description('show who is paired')
    .action((_, command: Command) => listPeers(session(command)))
  channels
    .command('unpair')
    .description('end a pairing')
    .argument('<id>', 'as keel channels peers shows it')
    .action((id: string, _, command: Command) => unpair(session(command), id))
  channels
    .command('test')
    .description('ask the platform who Keel is there')
    .argument(...channelArgument)
    .option('--chat <id>', 'and send a message to this conversation')
    .option('--text <text>', 'with this text')
    .action(async (channel: string, options: { chat?: string; text?: string }, command: Command) =>
      onExitCode(await testChannel(session(command), channel, options)),
    )
  channels
    .command('send')
    .description('send a message')
    .argument(...channelArgument)
    .argument('<chat>', 'the conversation, as the platform numbers it')
    .argument('<words...>', 'in Markdown')
    .option('--thread <id>', 'the topic or thread in it')
    .action((channel: string, chat: string, words: string[], { thread }: { thread?: string }, command: Command) =>
      sendMessage(session(command), channel, chat, { words, ...(thread !== undefined && { thread }) }),
    )
  channels
    .command('dead-letters')
    .description('show what could not be sent, and why')
    .option('-n, --limit <count>', 'how many', '50')
    .action((options: { limit: string }, command: Command) => listDeadLetters(session(command), options))
  const replay = channels
    .command('replay')
    .description('send a dead letter again')
    .action((id: string | undefined, options: DeadLetterChoice, command: Command) =>
      replayDeadLetters(session(command), id, options),
    )
  const discard = channels
    .command('discard')
    .description('give a dead letter up')
    .option('-y, --yes', 'without being asked')
    .action((id: string | undefined, options: DeadLetterChoice, command: Command) =>
      discardDeadLetters(session(command), id, options),
    )
  for (const command of [replay, discard])
    command.argument('[id]', 'as keel channels dead-letters shows it').option('--all', 'all of them')
  channels
    .command('outbox')
    .description('show what is on its way and what was sent, newest first')
    .addOption(new Option('--channel <channel>', 'only of this one').choices(platformName.options))
    .addOption(new Option('--status <status>', 'only what is so').choices(delivery.shape.status.options))
    .option('-n, --limit <count>', 'how many', '50')
    .action((options: OutboxOptions, command: Command) => listOutbox(session(command), options))
  channels
    .command('restart')
    .description('end its adapter and start it anew')
    .argument(...channelArgument)
    .action((channel: string, _, command: Command) => restartChannel(session(command), channel))
  channels
    .command('secret')
    .description('store what it is known by on the platform, from stdin or typed unseen')
    .argument(...channelArgument)
    .argument('[secret]', 'token, app_token, password or oauth2_token', 'token')
    .option('--forget', 'remove it')
    .action((channel: string, secret: string, options: { forget?: boolean }, command: Command) =>
      setChannelSecret(session(command), channel, secret, options),
    )
}

const authorities = ['Peer', 'Creator'] as const
