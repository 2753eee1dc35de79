import { execFile } from 'node:child_process'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { findProgram } from '#sdk/find-program.ts'
import type { ScriptOutcome } from '#sdk/services/tools.ts'

export type Confinement = ScriptOutcome['confinement']

/** What a run may see and touch. */
export interface Bounds {
  /** Absolute folders: to read, and to write. */
  readable: readonly string[]
  writable: readonly string[]
  /** Absolute folders that are empty for it, but for what is named above. */
  hidden: readonly string[]
  network: boolean
  cwd: string
}

const run = promisify(execFile)
const probeMs = 5_000
/** The homes of people, and what programs leave lying about. */
const privateFolders = ['/home', '/root', '/tmp', '/var/tmp', '/run']

let probed: Promise<Confinement> | undefined

/** The best that this machine has and lets us use, found by trying it once. */
export function availableConfinement(): Promise<Confinement> {
  probed ??= probe()
  return probed
}

async function probe(): Promise<Confinement> {
  const nothing = { readable: [], writable: [], hidden: [], network: false, cwd: '/' }
  for (const kind of ['bubblewrap', 'namespaces'] as const) {
    const command = confined(kind, ['/bin/sh', '-c', ':'], nothing)
    const works =
      command &&
      (await run(command[0] ?? '', command.slice(1), { timeout: probeMs }).then(
        () => true,
        () => false,
      ))
    if (works) return kind
  }
  return 'none'
}

/** The command inside its walls, which fall with this process; undefined where the machine lacks the means. */
export function confined(kind: Confinement, command: readonly string[], bounds: Bounds): string[] | undefined {
  if (kind === 'bubblewrap') return bubblewrap(command, bounds)
  const leash = findProgram('setpriv')
  const leashed = leash ? [leash, '--pdeathsig', 'KILL', '--'] : []
  if (kind === 'none') return [...leashed, ...command]
  const unshare = findProgram('unshare')
  if (!unshare || !leash) return undefined
  const network = bounds.network ? [] : ['--net']
  const namespaces = ['--user', '--map-current-user', '--pid', '--fork', '--kill-child=KILL', ...network]
  return [...leashed, unshare, ...namespaces, '--', ...command]
}

/** The whole system to read, private folders and Keel's own empty, and of these only what the run is about. */
function bubblewrap(
  command: readonly string[],
  { readable, writable, hidden, network, cwd }: Bounds,
): string[] | undefined {
  const bwrap = findProgram('bwrap')
  if (!bwrap) return undefined
  const interpreter = dirname(command[0] ?? '/bin')
  return [
    bwrap,
    '--die-with-parent',
    '--new-session',
    '--unshare-all',
    ...(network ? ['--share-net'] : []),
    ...['--ro-bind', '/', '/', '--dev', '/dev', '--proc', '/proc'],
    ...[...privateFolders, ...hidden].flatMap((folder) => ['--tmpfs', folder]),
    ...[interpreter, ...readable].flatMap((folder) => ['--ro-bind-try', folder, folder]),
    ...writable.flatMap((folder) => ['--bind-try', folder, folder]),
    ...['--chdir', cwd, '--', ...command],
  ]
}
