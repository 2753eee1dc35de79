import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import type { ServiceSpec } from '#kernel/supervisor/spec.ts'
import { startSupervisor } from '#kernel/supervisor/supervisor.ts'
import type { ServiceStatus } from '#sdk/contracts/services.ts'
import { eventually, isAlive } from '../daemon.ts'
import { probe, type probeKernel } from './probe-contract.ts'
import { probeSpec } from './supervised-spec.ts'

/** A supervisor of one probe service, closed at the end of the test. */
export function superviseProbe(change: Partial<ServiceSpec<typeof probe, typeof probeKernel>> = {}) {
  const runDir = mkdtempSync(join(tmpdir(), 'keel-run-'))
  const lines: string[] = []
  const logged: Record<string, unknown>[] = []
  const states: ServiceStatus[] = []
  const log = pino({ level: 'debug' }, { write: (line: string) => void logged.push(JSON.parse(line)) })
  const supervisor = startSupervisor({
    specs: [probeSpec(change)],
    runDir,
    log,
    onLog: (_service, line) => lines.push(line),
    onStateChange: (status) => states.push(status),
  })
  onTestFinished(async () => {
    await supervisor.close(0)
    rmSync(runDir, { recursive: true, force: true, maxRetries: 5 })
  })
  const status = () => {
    const [only] = supervisor.status()
    if (!only) throw new Error('There is no service')
    return only
  }
  return {
    supervisor,
    client: supervisor.client(probe),
    runDir,
    /** What the children printed. */
    lines,
    /** What the supervisor wrote in its own log. */
    logged,
    states,
    status,
    becomes: (state: ServiceStatus['state'], deadlineMs?: number) =>
      eventually(`the service is ${state}`, () => status().state === state, deadlineMs),
    /** Kills the process of the moment, if there is one, and tells its number. */
    kill: () => {
      const { pid } = status()
      if (pid) process.kill(pid, 'SIGKILL')
      return pid
    },
  }
}

/** Stops a process in its tracks. Number 0 would be the whole group of the test itself. */
export function freeze(pid: number | null | undefined): number {
  if (!pid || pid <= 1) throw new Error(`There is no process ${pid}`)
  process.kill(pid, 'SIGSTOP')
  return pid
}

/** Whether a process is gone or only waits for its parent to notice. */
export function hasEnded(pid: number): boolean {
  if (!isAlive(pid)) return true
  try {
    return / Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return true
  }
}
