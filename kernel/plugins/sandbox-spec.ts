import { readFileSync } from 'node:fs'
import { findPackageJSON } from 'node:module'
import { dirname, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { ServiceHandlers } from '#sdk/service.ts'
import { kernelForSandbox } from '#sdk/services/kernel.ts'
import { sandboxService } from '#sdk/services/sandbox.ts'
import { type ServiceSpec, serviceSpec } from '../supervisor/spec.ts'

const mebibyte = 1024 * 1024
/** The whole process: over it, it is ended from outside. */
const processBytes = 256 * mebibyte
const memoryWatchMs = 25
/** Of the heap that the service's own code has, in MiB. */
const ownHeapMb = 96
/** A call's objects live for a millisecond; a nursery of V8's own measure would take 50 MB to hold those of a thousand calls. */
const nurseryMb = 2

const entry = new URL('../../services/sandbox/main.ts', import.meta.url)

/** What the process is made of. It may read these and what they need, and nothing else. */
const ownFolders = ['../../services/sandbox/', '../../sdk/', '../../package.json']
const ownPackages = ['isolated-vm', 'json-rpc-2.0', 'lru-cache', 'pino', 'zod']
/** By its presence isolated-vm tells which of its builds the machine needs. */
const libcMark = '/etc/alpine-release'

/**
 * How the process of the guests is started. Node refuses it files other than its own code, the network, children, threads
 * and the inspector; add-ons are what isolates are made of. With the compiler's last stage on, isolates heed neither
 * their time nor their memory; and they need a start without Node's snapshot.
 */
export function sandboxFlags(): string[] {
  const readable = [
    ...ownFolders.map((path) => fileURLToPath(new URL(path, import.meta.url))),
    ...packageFolders(),
    libcMark,
  ]
  return [
    '--permission',
    '--allow-addons',
    '--disable-warning=PERM0001',
    ...readable.map((path) => `--allow-fs-read=${path}`),
    // It opens files whatever the permissions say.
    '--no-experimental-sqlite',
    '--no-experimental-webstorage',
    '--no-experimental-websocket',
    '--disable-sigusr1',
    '--max-opt=2',
    '--no-node-snapshot',
    `--max-old-space-size=${ownHeapMb}`,
    `--max-semi-space-size=${nurseryMb}`,
  ]
}

export function sandboxSpec(
  handlers: ServiceHandlers<typeof kernelForSandbox>,
): ServiceSpec<typeof sandboxService, typeof kernelForSandbox> {
  return serviceSpec({
    contract: sandboxService,
    entry,
    kernel: { contract: kernelForSandbox, handlers },
    start: 'lazy',
    nodeFlags: sandboxFlags(),
    bareEnv: true,
    memoryBytes: processBytes,
    memoryWatchMs,
    // A hostile plugin ends it again and again until it is disabled; the others are served all the while.
    budget: { crashes: 20, withinMs: 30_000, longCrashes: 60, longWithinMs: 300_000 },
  })
}

/** The folders of the packages that the process imports, and of those that these need. */
function packageFolders(): string[] {
  const folders = new Set<string>()
  const open = ownPackages.map((name) => ({ name, from: import.meta.url }))
  for (let next = open.pop(); next; next = open.pop()) {
    const manifest = findPackageJSON(next.name, next.from)
    if (manifest === undefined) continue
    const folder = dirname(manifest) + sep
    if (folders.has(folder)) continue
    folders.add(folder)
    const { dependencies = {} } = JSON.parse(readFileSync(manifest, 'utf8')) as { dependencies?: object }
    const from = pathToFileURL(manifest).href
    open.push(...Object.keys(dependencies).map((name) => ({ name, from })))
  }
  return [...folders]
}
