import { setTimeout as delay } from 'node:timers/promises'
import { RuntimeError } from '#sdk/errors.ts'
import { handoverUnderWay } from '../handover/record.ts'
import { runningPid } from '../home-lock.ts'
import type { CliSession } from './connection.ts'

/** How long a kernel may take to finish its turns and leave, in milliseconds. */
const stopMs = 45_000
const lookEveryMs = 50

/** Asks the kernel of this home to stop and waits until it has. */
export async function stop({ home, out, io }: CliSession): Promise<void> {
  const deadline = Date.now() + stopMs
  let pid = runningPid(home)
  // For a moment in the middle of a handover no kernel has the home.
  while (pid === undefined && handoverUnderWay(home) && Date.now() < deadline) {
    await delay(lookEveryMs, undefined, { signal: io.signal })
    pid = runningPid(home)
  }
  if (pid === undefined) {
    out.value({ stopped: false, pid: null }, () => out.line(`Keel does not run in ${home.root}.`))
    return
  }
  process.kill(pid, 'SIGTERM')
  while (runningPid(home) === pid) {
    if (Date.now() > deadline) {
      throw new RuntimeError(
        'timeout',
        `Keel (process ${pid}) still stops after ${stopMs / 1000} seconds; end it with: kill -9 ${pid}`,
      )
    }
    await delay(lookEveryMs, undefined, { signal: io.signal })
  }
  out.value({ stopped: true, pid }, () => out.line(`Keel has stopped (process ${pid}).`))
}
