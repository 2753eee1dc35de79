import { lstat, mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RuntimeError } from '#sdk/errors.ts'
import { findProgram, isProgram } from '#sdk/find-program.ts'

const programNames = [
  'google-chrome',
  'google-chrome-stable',
  'chromium',
  'chromium-browser',
  'microsoft-edge',
  'msedge',
  'brave-browser',
]

const macPlaces = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge',
  '/Applications/Brave Browser.app/Contents/MacOS/Brave Browser',
]

const windowsFolders = ['ProgramFiles', 'ProgramFiles(x86)', 'LOCALAPPDATA']
const windowsPlaces = [
  'Google\\Chrome\\Application\\chrome.exe',
  'Microsoft\\Edge\\Application\\msedge.exe',
  'BraveSoftware\\Brave-Browser\\Application\\brave.exe',
]

/**
 * The browser to run: the one that is named, else one of this machine, else the one that Keel brings along, which unpacks
 * itself for it. `unavailable` when there is none.
 */
export async function findExecutable(named: string | null): Promise<string> {
  if (named !== null) {
    if (isProgram(named)) return named
    throw new RuntimeError('unavailable', `browser.executable_path names '${named}', which is no program`)
  }
  return findInstalled() ?? (await unpackBundled())
}

function findInstalled(): string | undefined {
  const { CHROME_PATH } = process.env
  if (CHROME_PATH && isProgram(CHROME_PATH)) return CHROME_PATH
  if (process.platform === 'darwin') return macPlaces.find(isProgram)
  if (process.platform !== 'win32') return programNames.values().map(findProgram).find(Boolean)
  const folders = windowsFolders.flatMap((name) => process.env[name] ?? [])
  return folders.flatMap((folder) => windowsPlaces.map((place) => join(folder, place))).find(isProgram)
}

/** It unpacks itself to wherever temporary files go, and takes what is there already: so it is told a folder of our own. */
export async function unpackBundled(): Promise<string> {
  const { TMPDIR } = process.env
  try {
    const { default: chromium } = await import('@sparticuz/chromium')
    process.env.TMPDIR = await ownFolder()
    return await chromium.executablePath()
  } catch (cause) {
    const advice = 'install one, or name it in browser.executable_path'
    throw new RuntimeError('unavailable', `Chrome/Chromium not found; ${advice}`, undefined, { cause })
  } finally {
    if (TMPDIR === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = TMPDIR
  }
}

/** That nobody else can put anything into. */
async function ownFolder(): Promise<string> {
  const user = process.getuid?.() ?? 0
  const folder = join(tmpdir(), `keel-chromium-${user}`)
  await mkdir(folder, { mode: 0o700, recursive: true })
  const { uid, mode } = await lstat(folder)
  if (process.platform !== 'win32' && (uid !== user || (mode & 0o077) !== 0))
    throw new Error(`${folder} belongs to somebody else, or is open to others`)
  return folder
}
