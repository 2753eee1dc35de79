import { Command, Option } from 'commander'
import packageJson from '../../package.json' with { type: 'json' }
import type { StartKernel } from '../handover/local-kernel.ts'
import {
  approve,
  type DecisionOptions,
  deny,
  listApprovals,
  listGrants,
  revokeGrant,
  showApproval,
} from './approvals.ts'
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
import {
  configurePlugin,
  disablePlugin,
  enablePlugin,
  listPlugins,
  runPluginTool,
  setPluginSecret,
  showPlugin,
  uninstallPlugin,
} from './plugin.ts'
import { developPlugin, packPlugin, testPlugin } from './plugin-author.ts'
import { installPlugin } from './plugin-install.ts'
import { newPlugin } from './plugin-new.ts'
import { addProvider, removeProvider, setProviderKey } from './provider.ts'
import { type RecommendationOptions, recommendations } from './recommendations.ts'
import { addRetentionCommands } from './retention-commands.ts'
import { listServices, restartService } from './service.ts'
import {
  auditSkills,
  installSkills,
  listCatalog,
  listSkills,
  reloadSkills,
  removeSkill,
  showSkill,
  toggleSkill,
  trustSkill,
} from './skill.ts'
import { buildSkillCatalog, newSkill } from './skill-files.ts'
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

  addMemoryCommands(program, session)
  addCronCommands(program, session, onExitCode)
  addChannelCommands(program, session, onExitCode)
  addBrowserCommands(program, session)
  addRetentionCommands(program, session)
  addTurnCommands(program, session)

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
  addStatsCommands(program, session)

  const skill = program
    .command('skill')
    .alias('skills')
    .description('what the agent knows how to do, as folders of text and scripts')
  skill
    .command('list')
    .description('show them')
    .option('--all', 'and the built-in ones')
    .action((options: { all?: boolean }, command: Command) => listSkills(session(command), options))
  skill
    .command('show')
    .description('show one with its files and what a strict reader finds')
    .argument('<name>')
    .action((name: string, _, command: Command) => showSkill(session(command), name))
  skill
    .command('reload')
    .description('read all of them again')
    .action((_, command: Command) => reloadSkills(session(command)))
  skill
    .command('enable')
    .description('let the agent use it')
    .argument('<name>')
    .action((name: string, _, command: Command) => toggleSkill(session(command), name, true))
  skill
    .command('disable')
    .description('keep the agent from using it')
    .argument('<name>')
    .action((name: string, _, command: Command) => toggleSkill(session(command), name, false))
  skill
    .command('trust')
    .description('let its scripts run, as they are now')
    .argument('<name>')
    .option('-y, --yes', 'without being asked')
    .option('--revoke', 'take it back')
    .action((name: string, options: { yes?: boolean; revoke?: boolean }, command: Command) =>
      trustSkill(session(command), name, options),
    )
  skill
    .command('remove')
    .description('move it to the trash')
    .argument('<name>')
    .action((name: string, _, command: Command) => removeSkill(session(command), name))
  skill
    .command('audit')
    .description('compare what was loaded with what lies on disk')
    .option('--repair', 'and bring them together')
    .action((options: { repair?: boolean }, command: Command) => auditSkills(session(command), options))
  skill
    .command('catalog')
    .description('show what the catalogs offer')
    .argument('[query]')
    .action((query: string | undefined, _, command: Command) => listCatalog(session(command), query))
  skill
    .command('install')
    .description('install from a catalog by name, or from a folder or archive')
    .argument('<sources...>')
    .option('--activate', 'and let the agent use them')
    .action((sources: string[], options: { activate?: boolean }, command: Command) =>
      installSkills(session(command), sources, options),
    )
  skill
    .command('new')
    .description('write the folder of a new skill')
    .argument('<name>')
    .action((name: string, _, command: Command) => newSkill(session(command), name))
  skill
    .command('catalog-build')
    .description('make a catalog of a folder of skills, to be served by any web server')
    .argument('<folder>')
    .argument('<target>')
    .option('--catalog-version <version>', 'of the catalog')
    .option('--key <file>', 'an Ed25519 private key in PEM that signs it')
    .action((source: string, target: string, options: { catalogVersion?: string; key?: string }, command: Command) =>
      buildSkillCatalog(session(command), source, target, options),
    )

  const plugin = program.command('plugin').alias('plugins').description('tools that others wrote, each in a sandbox')
  plugin
    .command('list')
    .description('show them, what they ask for and how they do')
    .action((_, command: Command) => listPlugins(session(command)))
  plugin
    .command('show')
    .alias('info')
    .description('show one with its tools and settings')
    .argument('<name>')
    .action((name: string, _, command: Command) => showPlugin(session(command), name))
  plugin
    .command('new')
    .description('write the folder of a new plugin')
    .argument('<name>')
    .option('--js', 'in JavaScript')
    .action((name: string, options: { js?: boolean }, command: Command) => newPlugin(session(command), name, options))
  plugin
    .command('test')
    .description('run its tests in the sandbox')
    .argument('[folder]', 'where it is', '.')
    .action(async (folder: string, _, command: Command) => onExitCode(await testPlugin(session(command), folder)))
  plugin
    .command('dev')
    .description('bring each save of it into the running Keel')
    .argument('[folder]', 'where it is', '.')
    .action((folder: string, _, command: Command) => developPlugin(session(command), folder))
  plugin
    .command('pack')
    .description('make one file of it, its npm packages bundled in')
    .argument('[folder]', 'where it is', '.')
    .option('-o, --out <file>', 'the file; NAME-VERSION.keel.zip here unless told')
    .action((folder: string, options: { out?: string }, command: Command) =>
      packPlugin(session(command), folder, options.out),
    )
  plugin
    .command('install')
    .description('install one from its folder or file, and grant what it asks for')
    .argument('<source>')
    .option('-y, --yes', 'without being asked')
    .action((source: string, options: { yes?: boolean }, command: Command) =>
      installPlugin(session(command), source, options),
    )
  plugin
    .command('uninstall')
    .description('move it to the trash and forget what it kept')
    .argument('<name>')
    .action((name: string, _, command: Command) => uninstallPlugin(session(command), name))
  plugin
    .command('enable')
    .description('let it run, with what it asks for')
    .argument('<name>')
    .action((name: string, _, command: Command) => enablePlugin(session(command), name))
  plugin
    .command('disable')
    .description('keep it from running')
    .argument('<name>')
    .action((name: string, _, command: Command) => disablePlugin(session(command), name))
  plugin
    .command('config')
    .alias('set')
    .description('show its settings, or change one; without a value it is put back to its default')
    .argument('<name>')
    .argument('[setting]')
    .argument('[value]')
    .action((name: string, key: string | undefined, value: string | undefined, _, command: Command) =>
      configurePlugin(session(command), name, key, value),
    )
  plugin
    .command('secret')
    .description('store one of its secrets, from stdin or typed unseen')
    .argument('<name>')
    .argument('<secret>')
    .option('--forget', 'take it away instead')
    .action((name: string, secret: string, options: { forget?: boolean }, command: Command) =>
      setPluginSecret(session(command), name, secret, options),
    )
  plugin
    .command('run')
    .description('run one of its tools')
    .argument('<name>')
    .argument('<tool>')
    .argument('[input]', 'JSON')
    .action((name: string, tool: string, input: string | undefined, _, command: Command) =>
      runPluginTool(session(command), name, tool, input),
    )

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
