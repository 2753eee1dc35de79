import { Command, Option } from 'commander'
import packageJson from '../../package.json' with { type: 'json' }
import type { StartKernel } from '../handover/local-kernel.ts'
import { addApprovalCommands } from './approval-commands.ts'
import { addBrowserCommands } from './browser-commands.ts'
import { showBudgets } from './budget.ts'
import { addChannelCommands } from './channel-commands.ts'
import { chat } from './chat.ts'
import type { CliIo, GlobalOptions } from './cli-io.ts'
import { checkConfig, getSetting, setSetting, unsetSetting } from './config.ts'
import { openSession } from './connection.ts'
import { addCronCommands } from './cron-commands.ts'
import { doctor } from './doctor.ts'
import { showLogs } from './logs.ts'
import { addMemoryCommands } from './memory-commands.ts'
import { addPluginCommands } from './plugin-commands.ts'
import { addProvider, removeProvider, setProviderKey } from './provider.ts'
import { addRecommendationCommand } from './recommendation-command.ts'
import { addRetentionCommands } from './retention-commands.ts'
import { listServices, restartService } from './service.ts'
import { addSkillCommands } from './skill-commands.ts'
import { type StartOptions, start } from './start.ts'
import { startDetached } from './start-detached.ts'
import { startSuccessor } from './start-successor.ts'
import { addStatsCommands } from './stats-commands.ts'
import { showStatus } from './status.ts'
import { stop } from './stop.ts'
import { addTurnCommands } from './turn-commands.ts'
import { upgrade } from './upgrade.ts'

export interface ProgramContext {
  io: CliIo
  startKernel: StartKernel
  /** The exit code of a command that ended as it should. */
  onExitCode(code: number): void
}

/** Every command with its options; a command's work is in the file that bears its name. */
export function buildProgram({ io, startKernel, onExitCode }: ProgramContext): Command {
  const program = new Command('keel')
  program
    .description('A self-hosted runtime for autonomous agents.')
    .version(packageJson.version)
    .showHelpAfterError('Run "keel --help" for the commands.')
    .exitOverride()
    .enablePositionalOptions()
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
    })
  for (const option of globalOptions()) program.addOption(option)

  const session = (command: Command) => openSession(io, optionsOf(command))

  program
    .command('start')
    .description('start Keel and stay with it until it stops')
    .option('--detach', 'start it in the background and return once it is up')
    .option('--new-secret-key', 'make a new secret.key where the old one is lost; stored keys must be entered again')
    .addOption(new Option('--announce').hideHelp())
    .addOption(new Option('--successor').hideHelp())
    .action(async (options: StartOptions & { detach?: boolean }, command: Command) => {
      const given = { ...options, ...optionsOf(command) }
      if (options.successor) return onExitCode(await startSuccessor(io, given))
      onExitCode(await (options.detach ? startDetached(io, given) : start(io, given, startKernel)))
    })

  program
    .command('stop')
    .description('stop the Keel of this home and wait until it has')
    .action((_, command: Command) => stop(session(command)))

  program
    .command('upgrade')
    .alias('restart')
    .description('let a new process take over, with the code and settings of now; no caller is refused')
    .action((_, command: Command) => upgrade(session(command)))

  program
    .command('status')
    .description('show how Keel is doing')
    .action((_, command: Command) => showStatus(session(command)))

  program
    .command('chat')
    .description('talk with the agent; from a pipe, each line is a message')
    .argument('[message...]', 'say this and end')
    .option('-s, --session <id>', 'continue this session')
    .action(async (words: string[], options: { session?: string }, command: Command) => {
      onExitCode(await chat(session(command), words, options))
    })

  program
    .command('logs')
    .description('print the newest log entries')
    .option('-f, --follow', 'print what comes after them too')
    .option('-n, --lines <count>', 'how many')
    .option('--level <level>', 'the least level: trace, debug, info, warn, error')
    .option('--target <name>', 'only of this service')
    .option('--search <text>', 'only with this text')
    .option('--trace <id>', 'only of this trace')
    .action((options, command: Command) => showLogs(session(command), options))

  program
    .command('budget')
    .description('show what may be spent, what is spent and what is left')
    .option('--limit <count>', 'accounts of each budget, the newest first')
    .action((options: { limit?: string }, command: Command) => showBudgets(session(command), options))

  const service = program.command('service').description('the processes that Keel consists of')
  service
    .command('list')
    .description('show them and their state')
    .action((_, command: Command) => listServices(session(command)))
  service
    .command('restart')
    .description('replace one without losing a call')
    .argument('<name>')
    .action((name: string, _, command: Command) => restartService(session(command), name))

  const config = program.command('config').description('the settings')
  config
    .command('get')
    .description('print a setting, a section or everything')
    .argument('[path]', 'such as models.routing.mode')
    .action((path: string | undefined, _, command: Command) => getSetting(session(command), path))
  config
    .command('set')
    .description('change a setting')
    .argument('<path>')
    .argument('<value>', 'a text, number, boolean or list; "-" reads it from stdin')
    .action((path: string, value: string, _, command: Command) => setSetting(session(command), path, value))
  config
    .command('unset')
    .description('put a setting back to its default')
    .argument('<path>')
    .action((path: string, _, command: Command) => unsetSetting(session(command), path))
  config
    .command('check')
    .description('say whether the files are valid')
    .action((_, command: Command) => checkConfig(session(command)))

  const provider = program.command('provider').description('where models come from')
  provider
    .command('add')
    .description('configure one')
    .argument('<name>')
    .option('--url <url>', 'where it answers; the bundled ones know')
    .option('--format <format>', 'openai, anthropic, ollama or google')
    .addOption(new Option('--key-env <variable>', 'the environment variable that holds its key').conflicts('key'))
    .option('--key <->', '"-" reads the key from stdin and stores it sealed')
    .option('--model <name>', 'a model of it; the first one to be added answers')
    .action((name: string, options, command: Command) => addProvider(session(command), name, options))
  provider
    .command('key')
    .description('store its key, from stdin or typed unseen')
    .argument('<name>')
    .action((name: string, _, command: Command) => setProviderKey(session(command), name))
  provider
    .command('remove')
    .description('remove it and its stored key')
    .argument('<name>')
    .action((name: string, _, command: Command) => removeProvider(session(command), name))

  addApprovalCommands(program, session)
  addMemoryCommands(program, session)
  addCronCommands(program, session, onExitCode)
  addChannelCommands(program, session, onExitCode)
  addBrowserCommands(program, session)
  addRetentionCommands(program, session)
  addTurnCommands(program, session)

  addRecommendationCommand(program, session)
  addStatsCommands(program, session)
  addSkillCommands(program, session)
  addPluginCommands(program, session, onExitCode)

  program
    .command('doctor')
    .description('look for what is wrong and say what mends it')
    .action(async (_, command: Command) => {
      onExitCode(await doctor(io, optionsOf(command)))
    })

  for (const command of leavesOf(program)) {
    for (const option of globalOptions())
      if (!command.options.some(({ long }) => long === option.long)) command.addOption(option.hideHelp())
  }
  return program
}

function globalOptions(): Option[] {
  return [
    new Option('--url <url>', "the server to talk to; this machine's unless told (KEEL_URL)"),
    new Option('--api-key <key>', 'its key; better in KEEL_API_KEY, which other processes can not read'),
    new Option('--home <folder>', 'the home folder (KEEL_HOME, else ~/.keel)'),
    new Option('--json', 'print JSON'),
    new Option('--no-color', 'print without colours (NO_COLOR)'),
  ]
}

function leavesOf(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leavesOf)
}

/** Global options may stand before the command or after it; `provider add --url` is the provider's own. */
function optionsOf(command: Command): GlobalOptions {
  const before = command.parent?.parent?.opts<GlobalOptions>() ?? command.parent?.opts<GlobalOptions>() ?? {}
  const { url, ...after } = command.opts<GlobalOptions>()
  const isOwnUrl = command.options.some(({ long, hidden }) => long === '--url' && !hidden)
  return {
    ...before,
    ...after,
    ...(url !== undefined && !isOwnUrl && { url }),
    color: before.color !== false && after.color !== false,
  }
}
