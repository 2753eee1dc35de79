import { type Command, Option } from 'commander'
import { catchUpPolicy, crashPolicy, overlapPolicy } from '#sdk/services/scheduler.ts'
import type { CliSession } from './connection.ts'
import {
  addJob,
  editJob,
  listJobs,
  listRuns,
  pauseJob,
  previewSchedule,
  type RunsOptions,
  recoverJobs,
  removeJob,
  resumeJob,
  runJob,
  showJob,
} from './cron.ts'
import type { JobOptions } from './cron-job.ts'
import { wholeNumber } from './whole-number.ts'

/** `keel cron …` with its options. A job is named by its name, its id or the beginning of its id. */
export function addCronCommands(
  program: Command,
  session: (command: Command) => CliSession,
  onExitCode: (code: number) => void,
): void {
  const cron = program.command('cron').alias('schedule').description('what is done at its time')
  cron
    .command('list')
    .description('show the jobs, by the clock of this machine')
    .action((_, command: Command) => listJobs(session(command)))
  const add = cron
    .command('add')
    .description('make a job, and show when it is due')
    .argument('<name>')
    .option('--disabled', 'paused until it is resumed')
    .action((name: string, options: JobOptions, command: Command) => addJob(session(command), name, options))
  cron
    .command('show')
    .description('show one in full')
    .argument('<job>')
    .action((job: string, _, command: Command) => showJob(session(command), job))
  const edit = cron
    .command('edit')
    .description('change what is told, and show when it is due')
    .argument('<job>')
    .option('--name <name>', 'what it is called from now on')
    .action((job: string, options: JobOptions & { name?: string }, command: Command) =>
      editJob(session(command), job, options),
    )
  for (const command of [add, edit]) for (const option of jobOptions()) command.addOption(option)
  edit.option('--no-isolated', 'all its turns in one session again')
  cron
    .command('run')
    .description('run it now, wait, and print what came of it')
    .argument('<job>')
    .action(async (job: string, _, command: Command) => onExitCode(await runJob(session(command), job)))
  cron
    .command('pause')
    .description('keep it from running')
    .argument('<job>')
    .action((job: string, _, command: Command) => pauseJob(session(command), job))
  cron
    .command('resume')
    .description('let it run again')
    .argument('<job>')
    .action((job: string, _, command: Command) => resumeJob(session(command), job))
  cron
    .command('recover')
    .description('let the jobs run again that were paused for their errors')
    .argument('[job]', 'only this one')
    .action((job: string | undefined, _, command: Command) => recoverJobs(session(command), job))
  cron
    .command('rm')
    .description('remove it and the record of its runs')
    .argument('<job>')
    .action((job: string, _, command: Command) => removeJob(session(command), job))
  cron
    .command('runs')
    .description('show what has run and what was skipped, newest first')
    .option('--failed', 'only what failed')
    .option('--job <job>', 'only of this one')
    .option('-n, --limit <count>', 'how many', '20')
    .action((options: RunsOptions, command: Command) => listRuns(session(command), options))
  cron
    .command('next')
    .description('show when a cron expression is due')
    .argument('<expression>', 'quoted, such as "30 2 * * *"')
    .option('--tz <zone>', 'such as Europe/Vienna; UTC unless told')
    .option('-n, --count <count>', 'how many times', wholeNumber)
    .action((expression: string, options: { tz?: string; count?: number }, command: Command) =>
      previewSchedule(session(command), expression, options),
    )
}

function jobOptions(): Option[] {
  return [
    new Option('--cron <expression>', 'due by these five fields, or six with seconds first: "0 9 * * 1-5"'),
    new Option('--every <interval>', 'due again and again: 45s, 5m, 1h'),
    new Option('--at <time>', 'due once: 2030-01-31T09:00'),
    new Option('--tz <zone>', 'in which the fields or the time are meant, such as Europe/Vienna; UTC unless told'),
    new Option('--task <text>', 'the agent does this'),
    new Option('--tool <name>', 'this tool is called'),
    new Option('--input <json>', 'with this'),
    new Option('--url <url>', 'this address is called; the server to talk to is named before the command'),
    new Option('--method <method>', 'POST unless told'),
    new Option('--header <name:value>', 'may be given again').argParser(collect),
    new Option('--body <text>', 'sent as it is'),
    new Option('--payload <json>', 'any action, as docs/scheduler.md lists them'),
    new Option('--catch-up <policy>', 'what becomes of what was missed').choices(catchUpPolicy.options),
    new Option('--overlap <policy>', 'while an earlier run is under way').choices(overlapPolicy.options),
    new Option('--after-crash <policy>', 'where its process died').choices(crashPolicy.options),
    new Option('--timeout <seconds>', 'the deadline of a run').argParser(wholeNumber),
    new Option('--retries <count>', 'how often a failed run is tried again').argParser(wholeNumber),
    new Option('--isolated', 'each turn in a session of its own'),
    new Option('--deliver <channel>', 'the output is sent there; "none" keeps it here'),
  ]
}

function collect(value: string, earlier: readonly string[] = []): string[] {
  return [...earlier, value]
}
