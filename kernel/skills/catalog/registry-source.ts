import { readFile } from 'node:fs/promises'
import { isAbsolute, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { RuntimeError } from '#sdk/errors.ts'
import { openInside } from '#sdk/path-root.ts'
import { maxCatalogBytes } from '#sdk/skill-catalog.ts'

const manifestMs = 15_000
const fileMs = 60_000
export const maxSkillArchiveBytes = 16 * 1_048_576
const manifestName = 'catalog.json'

/** Where the files of a catalog are read from. */
export interface RegistrySource {
  /** `known`: what the far end called the version that the caller has; undefined when it is still that one. */
  manifest(known: string | undefined): Promise<{ text: string; version: string | undefined } | undefined>
  file(path: string): Promise<Buffer>
}

/** An http(s) address of a manifest, or a folder of this machine with a catalog.json in it. */
export function registrySource(url: string): RegistrySource {
  return /^https?:\/\//i.test(url) ? httpSource(new URL(url)) : folderSource(url)
}

function httpSource(manifest: URL): RegistrySource {
  const ask = async (url: URL, maxBytes: number, timeoutMs: number, headers: Record<string, string> = {}) => {
    const { guardedFetch } = await import('#sdk/egress/guarded-fetch.ts')
    // The operator has named this host; where it leads is checked like any other.
    return guardedFetch(url.href, { maxBytes, timeoutMs, headers, allowedHosts: [manifest.host] })
  }
  return {
    async manifest(known) {
      const answer = await ask(manifest, maxCatalogBytes, manifestMs, known ? { 'if-none-match': known } : {})
      if (answer.status === 304) return undefined
      if (answer.status !== 200) throw new RuntimeError('upstream_failed', `${manifest.host} answered ${answer.status}`)
      if (answer.truncated)
        throw new RuntimeError('upstream_failed', `the manifest has more than ${maxCatalogBytes} bytes`)
      return { text: answer.body.toString('utf8'), version: answer.headers.etag }
    },
    async file(path) {
      const url = new URL(path, manifest)
      if (url.origin !== manifest.origin) throw new RuntimeError('invalid', `invalid filename rejected: ${path}`)
      const answer = await ask(url, maxSkillArchiveBytes, fileMs)
      if (answer.status !== 200)
        throw new RuntimeError(
          'upstream_failed',
          `failed to download ${path}: ${manifest.host} answered ${answer.status}`,
        )
      if (answer.truncated)
        throw new RuntimeError('upstream_failed', `${path} has more than ${maxSkillArchiveBytes} bytes`)
      return answer.body
    },
  }
}

function folderSource(given: string): RegistrySource {
  const path = given.startsWith('file:') ? fileURLToPath(given) : given
  if (!isAbsolute(path))
    throw new RuntimeError('invalid', 'update.registry_url: expected an http(s) address or an absolute folder')
  const folder = path.endsWith('.json') ? resolve(path, '..') : path
  return {
    async manifest() {
      const text = await readFile(path.endsWith('.json') ? path : join(folder, manifestName), 'utf8').catch((cause) => {
        throw new RuntimeError('upstream_failed', `${folder} has no ${manifestName}`, undefined, { cause })
      })
      return { text, version: undefined }
    },
    async file(wanted) {
      await using handle = await openInside(folder, wanted, 'read')
      const { size } = await handle.stat()
      if (size > maxSkillArchiveBytes)
        throw new RuntimeError('upstream_failed', `${wanted} has more than ${maxSkillArchiveBytes} bytes`)
      return handle.readFile()
    },
  }
}
