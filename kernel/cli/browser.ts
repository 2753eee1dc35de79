import { writeFile } from 'node:fs/promises'
import { extname, resolve } from 'node:path'
import type { BrowserAction } from '#sdk/contracts/browser.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { terminalLine } from '../logs/terminal-text.ts'
import type { CliSession } from './connection.ts'
import { given } from './given.ts'
import { oneLine } from './one-line.ts'

/** The first start may unpack a browser, and a page may be slow: the longest action is waited for, in milliseconds. */
const actionMs = 180_000

export interface PlaceOptions {
  session?: string
  profile?: string
}

export async function showBrowser({ client, out }: CliSession): Promise<void> {
  out.value(await client.browser.getBrowserStatus(), (status) => {
    const label = (name: string) => out.style('dim', name.padEnd(12))
    out.line(`The browser ${status.running ? 'runs' : 'does not run'}.`)
    out.line(`${label('agent')}${status.enabled ? 'may use it' : 'may not use it: browser.enabled is false'}`)
    const { browser_version: version, executable, pid, started_at: since, url, title } = status
    for (const [name, value] of Object.entries({ version, executable, pid, since, url, title }))
      if (value !== null) out.line(`${label(name)}${terminalLine(String(value))}`)
  })
}

export async function startBrowser({ client, out, io }: CliSession): Promise<void> {
  out.value(await client.browser.startBrowser({ signal: patience(io.signal) }), ({ status }) =>
    out.line(status === 'started' ? 'The browser is started.' : 'The browser runs already.'),
  )
}

export async function stopBrowser({ client, out }: CliSession): Promise<void> {
  out.value(await client.browser.stopBrowser(), () => out.line('The browser is stopped, and its sessions are closed.'))
}

/** Starts the browser where it does not run. */
export async function openPage(session: CliSession, url: string, place: PlaceOptions): Promise<void> {
  const { client, out, io } = session
  await client.browser.startBrowser({ signal: patience(io.signal) })
  const answer = await act(session, { action: 'navigate', url }, place)
  out.value(answer, ({ data }) => out.line(`Opened ${terminalLine(String(data?.url ?? url))}`))
}

export async function showSnapshot(session: CliSession, place: PlaceOptions): Promise<void> {
  tellText(session, await act(session, { action: 'snapshot' }, place), 'snapshot')
}

export async function readPage(session: CliSession, place: PlaceOptions): Promise<void> {
  tellText(session, await act(session, { action: 'read_page' }, place), 'text')
}

/** The format is that of the file's name. */
export async function takeScreenshot(
  session: CliSession,
  file: string,
  { full, ...place }: PlaceOptions & { full?: boolean },
): Promise<void> {
  const format = /^\.jpe?g$/i.test(extname(file)) ? 'jpeg' : 'png'
  const { data } = await act(session, { action: 'screenshot', full_page: full === true, format }, place)
  if (typeof data?.data !== 'string') throw new RuntimeError('upstream_failed', 'The answer has no picture')
  const bytes = Buffer.from(data.data, 'base64')
  const path = resolve(file)
  await writeFile(path, bytes)
  const { out } = session
  out.value({ file: path, bytes: bytes.length }, () => out.line(`${bytes.length} bytes are in ${path}`))
}

export async function listBrowserSessions({ client, out }: CliSession): Promise<void> {
  const { sessions } = await client.browser.getBrowserStatus()
  out.value({ sessions }, () => {
    if (sessions.length === 0) return out.line('No session is open.')
    out.table(
      ['SESSION', 'TABS', 'LAST USED', 'URL'],
      sessions.map(({ session, tabs, last_used_at, url }) => [
        session,
        String(tabs),
        last_used_at,
        oneLine(url ?? '–'),
      ]),
    )
  })
}

export async function closeBrowserSession({ client, out }: CliSession, name: string): Promise<void> {
  out.value(await client.browser.closeBrowserSession({ params: { session: name } }), ({ session }) =>
    out.line(`Session ${terminalLine(session)} is closed.`),
  )
}

export async function listProfiles({ client, out }: CliSession): Promise<void> {
  out.value(await client.browser.listBrowserProfiles(), ({ profiles }) => {
    if (profiles.length === 0) out.line('No profile is kept. Make one with: keel browser open URL --profile NAME')
    for (const { name } of profiles) out.line(name)
  })
}

export async function forgetProfile({ client, out }: CliSession, profile: string): Promise<void> {
  out.value(await client.browser.deleteBrowserProfile({ params: { profile } }), ({ name }) =>
    out.line(`Profile ${name} is forgotten.`),
  )
}

function act(
  { client, io }: CliSession,
  action: { action: BrowserAction['action'] } & Record<string, unknown>,
  { session, profile }: PlaceOptions,
) {
  const body = { ...action, ...given({ session, profile }) }
  return client.browser.runBrowserAction({ body, signal: patience(io.signal) })
}

function tellText({ out }: CliSession, answer: Awaited<ReturnType<typeof act>>, field: 'snapshot' | 'text'): void {
  out.value(answer, ({ data, notices }) => {
    const text = String(data?.[field] ?? '')
    out.raw(text.endsWith('\n') ? text : `${text}\n`)
    for (const notice of notices) out.note(`${notice.kind}: ${notice.text}`)
  })
}

function patience(signal: AbortSignal): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(actionMs)])
}
