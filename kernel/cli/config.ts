import type { ConfigUpdate } from '#sdk/contracts/config.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { parseSetting } from '../config/env-layer.ts'
import { dotted, isTable, leavesOf, parseDotted, setAt, type Table, valueAt } from '../config/key-path.ts'
import { openConfig } from '../config/live-config.ts'
import { openHome } from '../home.ts'
import { lockHome } from '../home-lock.ts'
import { terminalLine } from '../logs/terminal-text.ts'
import { type CliSession, withServer } from './connection.ts'
import { readSecret } from './read-secret.ts'

/** Prints the value at a path, or everything; secrets are never shown. */
export async function getSetting(session: CliSession, path: string | undefined): Promise<void> {
  const { client, home, io, out } = session
  const config = await withServer(
    session,
    () => client.config.getConfig(),
    () => openConfig(home, io.env).redacted(),
  )
  const value = path === undefined ? config : valueAt(config, keysOf(path))
  if (value === undefined) throw new RuntimeError('not_found', `${path}: there is no such setting`)
  out.value(value, () => {
    if (!isTable(value)) out.line(terminalLine(typeof value === 'string' ? value : JSON.stringify(value)))
    else for (const [keys, leaf] of leavesOf(value)) out.line(terminalLine(`${dotted(keys)} = ${JSON.stringify(leaf)}`))
  })
}

/** `value` is text, number, boolean or list as TOML writes it; `-` reads it from stdin, unseen. */
export async function setSetting(session: CliSession, path: string, value: string): Promise<void> {
  const text = value === '-' ? await readSecret(session.io, `${path}: `) : value
  await change(session, path, parseSetting(text))
}

/** Back to the default, also where keel.toml sets a value. */
export async function unsetSetting(session: CliSession, path: string): Promise<void> {
  await change(session, path, null)
}

async function change(session: CliSession, path: string, value: unknown): Promise<void> {
  const patch: Table = {}
  setAt(patch, keysOf(path), value)
  showUpdate(session, path, await putConfig(session, patch))
}

/** Over the running server, or into the files when none runs. */
export async function putConfig(session: CliSession, patch: Table): Promise<ConfigUpdate> {
  const { client, home, io } = session
  return withServer(
    session,
    () => client.config.updateConfig({ body: patch }),
    async () => {
      openHome(home.root, io.env)
      const lock = lockHome(home)
      try {
        return await openConfig(home, io.env).put(patch)
      } finally {
        lock.release()
      }
    },
  )
}

function showUpdate({ out }: CliSession, path: string, update: ConfigUpdate): void {
  if (update.ignored_keys.length > 0)
    throw new RuntimeError('not_found', `${update.ignored_keys.join(', ')}: there is no such setting`)
  out.value(update, ({ updated, message }) =>
    out.line(updated ? `${path}: ${message}.` : `${path} already has this value.`),
  )
}

/** Reads the files as a start would, and says what is wrong or doubtful. */
export function checkConfig({ home, io, out }: CliSession): void {
  const warnings = openConfig(home, io.env).warnings()
  out.value({ valid: true, path: home.config, warnings }, () => {
    out.line(`${home.config} is valid.`)
    for (const warning of warnings) out.line(`${out.style('yellow', 'warning')}  ${terminalLine(warning)}`)
  })
}

function keysOf(path: string): string[] {
  const keys = parseDotted(path)
  if (keys) return keys
  throw new RuntimeError('invalid', `${JSON.stringify(path)} is no path; a path is written as section.key`)
}
