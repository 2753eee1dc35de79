import { readFile } from 'node:fs/promises'
import type { Logger } from 'pino'
import type { CDPSession } from 'playwright'
import type { RunningBrowser } from './launch.ts'

const everyMs = 1_000
const gibibyte = 1_073_741_824
/** Resident in the process of one page, and in those of all pages together. */
const maxBytes = { page: 1.5 * gibibyte, all: 4 * gibibyte }
const pageBytes = 4_096

/**
 * Ends the process of a page that takes more memory than it may: the page has then crashed, and is replaced as such.
 * Only Linux tells; elsewhere the limit of a script's own memory has to do. Returns the function that ends the watching.
 */
export async function watchMemory({ browser }: RunningBrowser, log: Logger): Promise<() => void> {
  const cdp = await browser.newBrowserCDPSession()
  const timer = setInterval(() => {
    look(cdp, log).catch(() => clearInterval(timer)) // The browser has ended.
  }, everyMs)
  timer.unref()
  return () => clearInterval(timer)
}

async function look(cdp: CDPSession, log: Logger): Promise<void> {
  const { processInfo } = await cdp.send('SystemInfo.getProcessInfo')
  const renderers = processInfo.filter(({ type }) => type === 'renderer')
  const pages = await Promise.all(renderers.map(async ({ id }) => ({ pid: id, bytes: await residentBytes(id) })))
  const [largest] = pages.toSorted((one, other) => other.bytes - one.bytes)
  const all = pages.reduce((sum, { bytes }) => sum + bytes, 0)
  if (!largest || (largest.bytes <= maxBytes.page && all <= maxBytes.all)) return
  log.warn({ ...largest, all }, 'a page took more memory than it may, and was ended')
  process.kill(largest.pid, 'SIGKILL')
}

async function residentBytes(pid: number): Promise<number> {
  try {
    return Number((await readFile(`/proc/${pid}/statm`, 'latin1')).split(' ')[1]) * pageBytes
  } catch {
    return 0 // It has ended.
  }
}
