import type { Command } from 'commander'
import type { CliSession } from './connection.ts'
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

/** `keel plugin …` with its options. */
export function addPluginCommands(
  program: Command,
  session: (command: Command) => CliSession,
  onExitCode: (code: number) => void,
): void {
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
}
