import { createReadStream } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Browser, CDPSession } from 'playwright'
import { isErrorOf, reasonOf } from '#sdk/errors.ts'
import { newId, timestamp } from '#sdk/ids.ts'
import { makeParentInside, openInside } from '#sdk/path-root.ts'
import { browserBounds } from '#sdk/services/browser-actions.ts'
import { folderName, numberedName, plainFileName } from './file-name.ts'
import type { Notices } from './notices.ts'
import { pageLine } from './page-text.ts'

const maxAtOnce = 10
const maxKept = 100
const maxSessionBytes = 5 * browserBounds.downloadBytes
/** Of one name, before it is given up. */
const maxSameName = 100

export interface Download {
  name: string
  /** Below the workspace; null as long as it is not there. */
  path: string | null
  url: string
  bytes: number
  state: 'in_progress' | 'saved' | 'refused'
  at: string
}

export interface DownloadsOptions {
  browser: Browser
  browserContextId: string
  /** The browser's own folder. */
  folder: string
  workspace: string
  session: string
  notices: Notices
}

/** What the pages of a session have the browser download: watched while it comes, then moved into the workspace. */
export class Downloads {
  readonly #options: DownloadsOptions
  readonly #cdp: CDPSession
  readonly #incoming: string
  readonly #byGuid = new Map<string, Download>()
  #all: Download[] = []
  #sessionBytes = 0
  #waiting: (() => void)[] = []

  static async open(options: DownloadsOptions): Promise<Downloads> {
    const incoming = join(options.folder, `downloads-${newId()}`)
    await mkdir(incoming, { mode: 0o700 })
    const cdp = await options.browser.newBrowserCDPSession()
    const downloads = new Downloads(options, cdp, incoming)
    await cdp.send('Browser.setDownloadBehavior', {
      behavior: 'allowAndName',
      browserContextId: options.browserContextId,
      downloadPath: incoming,
      eventsEnabled: true,
    })
    return downloads
  }

  private constructor(options: DownloadsOptions, cdp: CDPSession, incoming: string) {
    this.#options = options
    this.#cdp = cdp
    this.#incoming = incoming
    cdp.on('Browser.downloadWillBegin', ({ guid, url, suggestedFilename }) => this.#begin(guid, url, suggestedFilename))
    cdp.on('Browser.downloadProgress', ({ guid, receivedBytes, totalBytes, state }) => {
      const download = this.#byGuid.get(guid)
      if (!download) return
      download.bytes = receivedBytes
      if (state === 'completed') void this.#finish(guid, download)
      else if (state === 'canceled') this.#refuse(guid, download, 'it was cancelled')
      else this.#weigh(guid, download, Math.max(receivedBytes, totalBytes))
    })
  }

  /** Oldest first. */
  list(): Download[] {
    return [...this.#all]
  }

  /** Settles when nothing is under way. */
  async settled(): Promise<void> {
    if (this.#byGuid.size > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  async close(): Promise<void> {
    for (const [guid, download] of this.#byGuid) this.#refuse(guid, download, 'the session was closed')
    await this.#cdp.detach().catch(() => {})
    await rm(this.#incoming, { recursive: true, force: true })
  }

  #begin(guid: string, url: string, suggested: string): void {
    const download: Download = {
      name: plainFileName(suggested),
      path: null,
      url: pageLine(url),
      bytes: 0,
      state: 'in_progress',
      at: timestamp(),
    }
    this.#byGuid.set(guid, download)
    this.#all = [...this.#all, download].slice(-maxKept)
    if (this.#byGuid.size > maxAtOnce) this.#refuse(guid, download, `${maxAtOnce} are under way already`)
  }

  #weigh(guid: string, download: Download, bytes: number): void {
    const most = Math.min(browserBounds.downloadBytes, maxSessionBytes - this.#sessionBytes)
    if (bytes > most) this.#refuse(guid, download, `it has more than ${most} bytes`)
  }

  #refuse(guid: string, download: Download, reason: string): void {
    download.state = 'refused'
    this.#options.notices.add('download', `The download of ${download.name} was refused: ${reason}`)
    const { browserContextId } = this.#options
    // It may have ended by itself meanwhile.
    this.#cdp.send('Browser.cancelDownload', { guid, browserContextId }).catch(() => {})
    this.#end(guid)
  }

  async #finish(guid: string, download: Download): Promise<void> {
    const { notices } = this.#options
    const file = join(this.#incoming, guid)
    try {
      const path = await this.#save(file, download.name)
      Object.assign(download, { path, state: 'saved' })
      this.#sessionBytes += download.bytes
      notices.add('download', `Downloaded ${download.name} (${download.bytes} bytes) to ${path}`)
    } catch (thrown) {
      download.state = 'refused'
      notices.add('download', `The download of ${download.name} could not be saved: ${reasonOf(thrown)}`)
    } finally {
      await rm(file, { force: true }).catch(() => {})
      this.#end(guid)
    }
  }

  /** Below the workspace, under a name that nothing else has. */
  async #save(file: string, name: string): Promise<string> {
    const { workspace, session } = this.#options
    const folder = `downloads/${folderName(session)}`
    await makeParentInside(workspace, `${folder}/${name}`)
    for (let number = 1; ; number++) {
      const path = `${folder}/${numberedName(name, number)}`
      try {
        await using handle = await openInside(workspace, path, 'create')
        await pipeline(createReadStream(file), handle.createWriteStream())
        return path
      } catch (thrown) {
        if (!isErrorOf(thrown, 'conflict', 'forbidden', 'invalid') || number >= maxSameName) throw thrown
      }
    }
  }

  #end(guid: string): void {
    this.#byGuid.delete(guid)
    if (this.#byGuid.size === 0) for (const resolve of this.#waiting.splice(0)) resolve()
  }
}
