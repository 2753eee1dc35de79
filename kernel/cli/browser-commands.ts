import { type Command, Option } from 'commander'
import {
  closeBrowserSession,
  forgetProfile,
  listBrowserSessions,
  listProfiles,
  openPage,
  type PlaceOptions,
  readPage,
  showBrowser,
  showSnapshot,
  startBrowser,
  stopBrowser,
  takeScreenshot,
} from './browser.ts'
import type { CliSession } from './connection.ts'

/** `keel browser …` with its options. */
export function addBrowserCommands(program: Command, session: (command: Command) => CliSession): void {
  const browser = program.command('browser').description('the web browser that Keel drives')
  browser
    .command('status')
    .description('show how it is')
    .action((_, command: Command) => showBrowser(session(command)))
  browser
    .command('start')
    .description('start it')
    .action((_, command: Command) => startBrowser(session(command)))
  browser
    .command('stop')
    .description('close all its sessions and end it')
    .action((_, command: Command) => stopBrowser(session(command)))
  const open = browser
    .command('open')
    .description('open a page, and the browser where it does not run')
    .argument('<url>')
    .action((url: string, options: PlaceOptions, command: Command) => openPage(session(command), url, options))
  const snapshot = browser
    .command('snapshot')
    .description('print what the page shows, each element with its ref')
    .action((options: PlaceOptions, command: Command) => showSnapshot(session(command), options))
  const read = browser
    .command('read')
    .description("print the page's text")
    .action((options: PlaceOptions, command: Command) => readPage(session(command), options))
  const screenshot = browser
    .command('screenshot')
    .description('save a picture of the page: PNG, or JPEG where the file is named so')
    .argument('<file>')
    .option('--full', 'all of the page, and not only what is in view')
    .action((file: string, options: PlaceOptions & { full?: boolean }, command: Command) =>
      takeScreenshot(session(command), file, options),
    )
  for (const command of [open, snapshot, read, screenshot])
    command
      .addOption(new Option('-s, --session <name>', 'in this session; "default" unless told').conflicts('profile'))
      .addOption(new Option('-p, --profile <name>', 'with the cookies and storage that are kept under this name'))
  browser
    .command('sessions')
    .description('show the open sessions')
    .action((_, command: Command) => listBrowserSessions(session(command)))
  browser
    .command('close')
    .description('close a session')
    .argument('[session]', 'its name', 'default')
    .action((name: string, _, command: Command) => closeBrowserSession(session(command), name))
  browser
    .command('profiles')
    .description('show the profiles that are kept')
    .action((_, command: Command) => listProfiles(session(command)))
  browser
    .command('forget')
    .description('remove a profile with its cookies and storage')
    .argument('<profile>')
    .action((profile: string, _, command: Command) => forgetProfile(session(command), profile))
}
