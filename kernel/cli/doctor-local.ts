import { existsSync, statSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { resolve } from 'node:path'
import { openConfig } from '../config/live-config.ts'
import { readSecretKey } from '../home.ts'
import { runningPid } from '../home-lock.ts'
import { openSealedStore } from '../secrets/sealed-store.ts'
import { openReadable } from '../store/database.ts'
import { inspectDatabase, inspectLock } from '../store/inspect.ts'
import { findSealed, listSealedNames } from '../store/secrets.ts'
import { faultOf } from '../store/store-fault.ts'
import type { CliSession } from './connection.ts'
import type { Finding } from './doctor.ts'
import { failureText } from './failure.ts'

const oldestNode = 24
const mebibyte = 1_048_576
/** Free space below which Keel may fail at any moment, and below which it is time to tidy up. */
const brokenDiskBytes = 100 * mebibyte
const scarceDiskBytes = 1_024 * mebibyte

export function checkNode(): Finding[] {
  const isNew = Number(process.versions.node.split('.')[0]) >= oldestNode
  const message = `Node ${process.versions.node}`
  return [isNew ? ok('node', message) : broken('node', `${message} is older than ${oldestNode}`, 'npm start')]
}

export function checkHome({ home }: CliSession): Finding[] {
  if (!existsSync(home.root))
    return [{ check: 'home', status: 'warning', message: `${home.root} does not exist yet`, fix: 'keel start' }]
  const findings: Finding[] = []
  for (const path of [home.root, home.config, home.overrides, home.secretKey, home.apiKey, home.database]) {
    if (!existsSync(path)) continue
    const { mode } = statSync(path)
    if ((mode & 0o077) === 0) continue
    const right = statSync(path).isDirectory() ? '700' : '600'
    findings.push(
      broken('home', `${path} can be read by others (mode ${(mode & 0o777).toString(8)})`, `chmod ${right} ${path}`),
    )
  }
  for (const path of [home.secretKey, home.apiKey]) {
    if (!existsSync(path))
      findings.push(
        broken('home', `${path} is missing`, path === home.apiKey ? 'keel start' : 'keel start --new-secret-key'),
      )
  }
  if (existsSync(home.secretKey)) readSecretKey(home)
  return findings.length > 0 ? findings : [ok('home', `${home.root} is private and complete`)]
}

export function checkSettings({ home, io }: CliSession): Finding[] {
  try {
    const warnings = openConfig(home, io.env).warnings()
    const found = warnings.map(
      (message): Finding => ({ check: 'config', status: 'warning', message, fix: `edit ${home.config}` }),
    )
    return found.length > 0 ? found : [ok('config', `${home.config} is valid`)]
  } catch (thrown) {
    return [broken('config', failureText(thrown), `edit ${home.config}, then: keel config check`)]
  }
}

export async function checkDisk({ home }: CliSession): Promise<Finding[]> {
  const folder = existsSync(home.root) ? home.root : resolve(home.root, '..')
  if (!existsSync(folder)) return []
  const { bavail, bsize } = await statfs(folder)
  const free = bavail * bsize
  const message = `${Math.floor(free / mebibyte)} MiB are free for ${home.root}`
  if (free < brokenDiskBytes)
    return [broken('disk', message, 'delete what is not needed, or set server.log_max_days lower')]
  return [{ check: 'disk', status: free < scarceDiskBytes ? 'warning' : 'ok', message }]
}

export function checkDatabase({ home, io }: CliSession): Finding[] {
  const { path } = databaseOf(home, io.env)
  if (path === ':memory:' || !existsSync(path)) return [ok('database', 'none yet')]
  const inUse = runningPid(home) !== undefined
  const issue = inspectDatabase(path, { pages: 'all', inUse }) ?? inspectLock(path)
  if (!issue) return [ok('database', `${path} is sound`)]
  return [broken('database', issue.reason, issue.fix)]
}

/** Whether this home's secret.key opens what is sealed in its database. */
export function checkSecrets({ home, io }: CliSession): Finding[] {
  const { path } = databaseOf(home, io.env)
  if (path === ':memory:' || !existsSync(path) || !existsSync(home.secretKey)) return []
  let db: ReturnType<typeof openReadable> | undefined
  try {
    const opened = openReadable(path)
    db = opened
    const rows = {
      find: (name: string) => findSealed(opened, name),
      names: () => listSealedNames(opened),
      save: () => {},
      delete: () => false,
    }
    const store = openSealedStore(rows, readSecretKey(home))
    const findings: Finding[] = []
    for (const name of store.names()) {
      try {
        store.get(name)
      } catch (thrown) {
        const provider = name.replace(/_api_key$/, '')
        findings.push(
          broken('secrets', failureText(thrown), `put the old secret.key back, or: keel provider key ${provider}`),
        )
      }
    }
    return findings.length > 0 ? findings : [ok('secrets', `${store.names().length} sealed, all readable`)]
  } catch (thrown) {
    // What is wrong with the database is another check's finding.
    if (faultOf(thrown) !== undefined) return []
    throw thrown
  } finally {
    db?.close()
  }
}

function databaseOf(home: CliSession['home'], env: NodeJS.ProcessEnv): { path: string } {
  try {
    return openConfig(home, env).current().database
  } catch {
    // What is wrong with the configuration is another check's finding.
    return { path: home.database }
  }
}

function ok(check: string, message: string): Finding {
  return { check, status: 'ok', message }
}

function broken(check: string, message: string, fix: string): Finding {
  return { check, status: 'broken', message, fix }
}
