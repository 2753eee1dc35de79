import { terminalLine } from '../logs/terminal-text.ts'
import type { CliIo, GlobalOptions } from './cli-io.ts'
import { type CliSession, openSession } from './connection.ts'
import { checkDatabase, checkDisk, checkHome, checkNode, checkSecrets, checkSettings } from './doctor-local.ts'
import { checkChannels, checkLeftovers, checkPort, checkProviders, checkServer } from './doctor-running.ts'
import { failureText } from './failure.ts'

/** What one check found: `fix` is the command or step that mends it. */
export interface Finding {
  check: string
  status: 'ok' | 'warning' | 'broken'
  message: string
  fix?: string
}

type Check = (session: CliSession) => Finding[] | Promise<Finding[]>

const checks: Record<string, Check> = {
  node: checkNode,
  home: checkHome,
  config: checkSettings,
  disk: checkDisk,
  database: checkDatabase,
  secrets: checkSecrets,
  server: checkServer,
  port: checkPort,
  providers: checkProviders,
  channels: checkChannels,
  processes: checkLeftovers,
}

/** Runs every check, also after one has failed. Returns the exit code: 1 when something is broken. */
export async function doctor(io: CliIo, options: GlobalOptions): Promise<number> {
  const session = openSession(io, options)
  const findings: Finding[] = []
  for (const [name, check] of Object.entries(checks)) {
    try {
      findings.push(...(await check(session)))
    } catch (thrown) {
      findings.push({ check: name, status: 'broken', message: failureText(thrown) })
    }
  }
  const broken = findings.filter(({ status }) => status === 'broken').length
  session.out.value({ ok: broken === 0, findings }, () => {
    for (const finding of findings) show(finding, session)
    session.out.line()
    session.out.line(
      broken === 0 ? 'Nothing is broken.' : `${broken} ${broken === 1 ? 'thing is' : 'things are'} broken.`,
    )
  })
  return broken === 0 ? 0 : 1
}

const marks = { ok: ['green', 'ok     '], warning: ['yellow', 'warning'], broken: ['red', 'broken '] } as const

function show({ check, status, message, fix }: Finding, { out }: CliSession): void {
  const [style, mark] = marks[status]
  out.line(`${out.style(style, mark)}  ${check.padEnd(9)}  ${terminalLine(message)}`)
  if (fix !== undefined) out.line(`${' '.repeat(20)}${out.style('dim', '→')} ${terminalLine(fix)}`)
}
