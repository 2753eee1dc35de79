import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { RuntimeError, reasonOf } from '#sdk/errors.ts'
import { expandTilde } from './config/file-paths.ts'
import { starterConfig } from './config/starter.ts'

/** The folder that holds everything Keel keeps. All paths are absolute. */
export interface Home {
  readonly root: string
  /** The user's own settings; never rewritten by Keel. */
  readonly config: string
  /** Settings changed over the API, layered over the user's. */
  readonly overrides: string
  readonly database: string
  readonly skills: string
  readonly plugins: string
  readonly workspace: string
  readonly logs: string
  /** Copies of the database; made with the first of them. */
  readonly backups: string
  /** Copies of files that are to be sent over channels; made with the first of them. */
  readonly outbox: string
  readonly run: string
  readonly secretKey: string
  readonly apiKey: string
  /** The process id of the running kernel, as text. */
  readonly pidFile: string
  /** Where the running kernel listens, as text. */
  readonly urlFile: string
}

const secretKeyBytes = 32
const privateFolder = 0o700
const privateFile = 0o600

/** Where everything lies, without touching the disk. `path`, else KEEL_HOME, else `~/.keel`. */
export function homePaths(path?: string, env: NodeJS.ProcessEnv = process.env): Home {
  const root = resolve(expandTilde(path || env.KEEL_HOME || join(homedir(), '.keel')))
  return {
    root,
    config: join(root, 'keel.toml'),
    overrides: join(root, 'overrides.toml'),
    database: join(root, 'keel.db'),
    skills: join(root, 'skills'),
    plugins: join(root, 'plugins'),
    workspace: join(root, 'workspace'),
    logs: join(root, 'logs'),
    backups: join(root, 'backups'),
    outbox: join(root, 'outbox'),
    run: join(root, 'run'),
    secretKey: join(root, 'secret.key'),
    apiKey: join(root, 'api.key'),
    pidFile: join(root, 'run', 'keel.pid'),
    urlFile: join(root, 'run', 'keel.url'),
  }
}

/** Makes the home folder whole: what is missing is created, and no secret stays readable for others. */
export function openHome(path?: string, env: NodeJS.ProcessEnv = process.env): Home {
  const home = homePaths(path, env)
  try {
    for (const folder of [home.root, home.skills, home.plugins, home.workspace, home.logs, home.run]) openFolder(folder)
    createFile(home.config, starterConfig)
    createFile(home.overrides, '')
    // A new key would make every sealed secret unreadable, so it is made only where nothing can be sealed yet.
    if (!existsSync(home.secretKey)) requireNothingSealed(home)
    createFile(home.secretKey, randomBytes(secretKeyBytes))
    createFile(home.apiKey, `keel_${randomBytes(32).toString('base64url')}\n`)
  } catch (thrown) {
    if (thrown instanceof RuntimeError) throw thrown
    const reason = reasonOf(thrown)
    throw new RuntimeError('invalid', `${home.root} can not be used as Keel's home: ${reason}`, undefined, {
      cause: thrown,
    })
  }
  return home
}

/** The 32 bytes that seal this home's secrets. */
export function readSecretKey(home: Home): Buffer {
  const key = readFileSync(home.secretKey)
  if (key.length === secretKeyBytes) return key
  throw new RuntimeError(
    'invalid',
    `${home.secretKey} holds ${key.length} bytes instead of ${secretKeyBytes}; put the original file back`,
  )
}

function requireNothingSealed(home: Home): void {
  if (!existsSync(home.database)) return
  throw new RuntimeError(
    'invalid',
    `${home.secretKey} is missing, and the stored secrets can not be read without it. Put it back from a backup, ` +
      `or run "keel start --new-secret-key" and enter the keys again`,
  )
}

/** Makes a key for a home whose old one is lost, and only then; what that one sealed stays unreadable. */
export function replaceSecretKey(path?: string, env: NodeJS.ProcessEnv = process.env): void {
  const home = homePaths(path, env)
  if (existsSync(home.secretKey)) throw new RuntimeError('conflict', `${home.secretKey} exists, so no new one is made`)
  openFolder(home.root)
  createFile(home.secretKey, randomBytes(secretKeyBytes))
}

function openFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: privateFolder })
  if ((statSync(folder).mode & 0o077) !== 0) chmodSync(folder, privateFolder)
}

function createFile(file: string, content: string | Buffer): void {
  try {
    writeFileSync(file, content, { flag: 'wx', mode: privateFile })
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown
    if ((statSync(file).mode & 0o077) !== 0) chmodSync(file, privateFile)
  }
}
