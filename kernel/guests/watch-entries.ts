import { relative, sep } from 'node:path'
import { watch } from 'chokidar'
import { isForeignFolder } from './plain-file.ts'

/** An entry is read again when nothing in it has changed for so long, in milliseconds; at the latest after the second. */
const settleMs = 120
const longestMs = 2_000
const maxDepth = 12

export interface EntryWatch {
  /** Settles once everything there is has been seen. */
  ready: Promise<void>
  close(): Promise<void>
}

/** Tells of each entry of a folder in which something has changed, one at a time, once it has settled. */
export function watchEntries(
  folder: string,
  { onChange, onError }: { onChange: (entry: string) => Promise<void>; onError: (thrown: unknown) => void },
): EntryWatch {
  const waiting = new Map<string, { timer: NodeJS.Timeout; since: number }>()
  let queue: Promise<void> = Promise.resolve()
  let closed = false

  const watcher = watch(folder, {
    ignoreInitial: true,
    followSymlinks: false,
    depth: maxDepth,
    ignored: (path) => path !== folder && relative(folder, path).split(sep).some(isForeignFolder),
  })

  function changed(path: string): void {
    const [entry = ''] = relative(folder, path).split(sep)
    if (entry === '' || entry === '..' || closed) return
    const known = waiting.get(entry)
    const since = known?.since ?? Date.now()
    clearTimeout(known?.timer)
    const wait = Math.max(0, Math.min(settleMs, since + longestMs - Date.now()))
    const timer = setTimeout(() => {
      waiting.delete(entry)
      queue = queue.then(() => onChange(entry)).catch(onError)
    }, wait)
    waiting.set(entry, { timer, since })
  }

  watcher.on('all', (_event, path) => changed(path))
  watcher.on('error', onError)
  return {
    ready: new Promise((resolve) => watcher.once('ready', () => resolve())),
    async close() {
      closed = true
      for (const { timer } of waiting.values()) clearTimeout(timer)
      waiting.clear()
      await watcher.close()
      await queue
    },
  }
}
