import { basename } from 'node:path'
import { RuntimeError } from '#sdk/errors.ts'
import { openInside } from '#sdk/path-root.ts'
import { browserBounds } from '#sdk/services/browser-actions.ts'
import { untilAborted } from '../deadline.ts'
import type { Actions } from './action.ts'
import { named, withElement } from './element.ts'

export const fileActions: Actions<'upload' | 'downloads'> = {
  async upload({ selector, ref, paths }, context) {
    const target = { selector, ref }
    const files = await readFiles(context.session.settings().workspace, paths)
    await withElement(target, 'given files', context, (locator, options) => locator.setInputFiles(files, options))
    return { ...named(target), files: files.map(({ name, buffer }) => ({ name, bytes: buffer.length })) }
  },
  async downloads(_, { session: { downloads }, timeLeft }) {
    const { timeout, signal } = timeLeft()
    const enough = AbortSignal.any([signal, AbortSignal.timeout(timeout)])
    // What is still under way then is listed as that.
    await untilAborted(enough, () => downloads.settled()).catch(() => signal.throwIfAborted())
    const list = downloads.list()
    return { downloads: list, count: list.length }
  },
}

/** What is read is what was checked: the files themselves go to the browser, not their paths. */
async function readFiles(workspace: string, paths: string[]) {
  const files: { name: string; mimeType: string; buffer: Buffer }[] = []
  let left = browserBounds.uploadBytes
  for (const path of paths) {
    await using handle = await openInside(workspace, path, 'read')
    const { size } = await handle.stat()
    left -= size
    if (left < 0) {
      const most = browserBounds.uploadBytes
      throw new RuntimeError('too_large', `paths: '${path}' takes the upload over ${most} bytes`)
    }
    const buffer = Buffer.alloc(size)
    const { bytesRead } = await handle.read(buffer, 0, size, 0)
    files.push({ name: basename(path), mimeType: 'application/octet-stream', buffer: buffer.subarray(0, bytesRead) })
  }
  return files
}
