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

async function unpackBundled(): Promise<string> {
  try {
    const { default: chromium } = await import('@sparticuz/chromium')
    return await chromium.executablePath()
  } catch (cause) {
    const advice = 'install one, or name it in browser.executable_path'
    throw new RuntimeError('unavailable', `Chrome/Chromium not found; ${advice}`, undefined, { cause })
  }
}
