import { cpus, loadavg, totalmem } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'

const resolutionMs = 10
const watchMs = 1_000
const nanosecondsPerMs = 1e6
/** A process that does nothing is this late on a machine that is busy with something else. */
const busyMs = 5

/** How late the timers of an idle process come, in milliseconds at the 99th percentile: what the machine itself adds. */
export async function idleLatenessMs(forMs: number = watchMs): Promise<number> {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs })
  histogram.enable()
  await delay(forMs)
  histogram.disable()
  return Math.max(0, histogram.percentile(99) / nanosecondsPerMs - resolutionMs)
}

/** Whether somebody else keeps the machine so busy that times say nothing about Keel. */
export function isNoisy(idleLateness: number): boolean {
  return idleLateness > busyMs
}

export function describeMachine() {
  const [first] = cpus()
  return { cpus: cpus().length, model: first?.model ?? 'unknown', memory_bytes: totalmem(), load: loadavg() }
}
