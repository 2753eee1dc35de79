import { setTimeout as delay } from 'node:timers/promises'
import { RuntimeError } from '#sdk/errors.ts'
import { findHandover, type HandoverRecord, handoverUnderWay, isOver } from '../handover/record.ts'
import { runningPid } from '../home-lock.ts'
import type { CliSession } from './connection.ts'

/** How long the kernel may take to begin, in milliseconds; the rest has bounds of its own. */
const beginMs = 5_000
const lookEveryMs = 25

/** Lets a new kernel take over from the one of this home, and tells how it went. */
export async function upgrade({ home, out, io }: CliSession): Promise<void> {
  if (process.platform === 'win32')
    throw new RuntimeError(
      'not_implemented',
      'On Windows a listening socket can not be handed over: keel stop, then keel start',
    )
  const earlier = findHandover(home)
  const pid = runningPid(home)
  if (pid === undefined && !handoverUnderWay(home))
    throw new RuntimeError('unavailable', `Keel does not run in ${home.root}; start it with: keel start`)
  const startedAt = Date.now()
  if (pid !== undefined) process.kill(pid, 'SIGHUP')

  let told: HandoverRecord['state'] | undefined
  for (;;) {
    const record = findHandover(home)
    const isOurs = record !== undefined && (record.id !== earlier?.id || !isOver(earlier))
    if (!isOurs && Date.now() - startedAt > beginMs)
      throw new RuntimeError('timeout', `Process ${pid} did not begin within ${beginMs / 1000} seconds; see: keel logs`)
    if (isOurs && record.state !== told) {
      told = record.state
      if (!out.json) for (const line of progress[told](record)) out.line(line)
    }
    if (isOurs && isOver(record)) {
      const { from_pid, version, gap_ms, reason } = record
      if (record.state === 'failed') throw new RuntimeError('unavailable', failure(record))
      const ms = Date.now() - record.started_at
      out.value({ upgraded: true, pid: record.pid, from_pid, version, gap_ms, ms, reason }, () =>
        out.line(`Keel ${version} now runs in process ${record.pid}.`),
      )
      return
    }
    if (isOurs && !handoverUnderWay(home) && !isOver(findHandover(home) ?? record))
      throw new RuntimeError('unavailable', 'Keel has ended during the handover; start it with: keel start')
    await delay(lookEveryMs, undefined, { signal: io.signal })
  }
}

const progress: Record<HandoverRecord['state'], (record: HandoverRecord) => string[]> = {
  loading: () => ['A new process loads its code …'],
  draining: ({ from_pid, pid }) => [`Process ${pid} is ready; process ${from_pid} finishes what it has …`],
  taking_over: () => [],
  done: ({ gap_ms }) => [`Nobody was accepted for ${gap_ms} ms; callers waited meanwhile.`],
  failed: () => [],
}

function failure({ pid, reason }: HandoverRecord): string {
  const now = pid === null ? 'Keel has ended' : `process ${pid} goes on as before`
  return `The new kernel could not take over, ${now}: ${reason}`
}
