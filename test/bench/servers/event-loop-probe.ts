import { writeFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { isMainThread } from 'node:worker_threads'

/*
 * Loaded into the kernel from outside: the first SIGUSR2 begins a measurement of its event loop, the next ends it and
 * writes what was seen, in milliseconds.
 */

export interface LoopDelay {
  p50: number
  p99: number
  max: number
}

const path = process.env.EVENT_LOOP_PROBE
const resolutionMs = 10
const nanosecondsPerMs = 1e6

if (isMainThread && path) {
  const delay = monitorEventLoopDelay({ resolution: resolutionMs })
  // What counts is how much later than asked a timer came.
  const lateMs = (nanoseconds: number) => Math.max(0, nanoseconds / nanosecondsPerMs - resolutionMs)
  process.on('SIGUSR2', () => {
    if (delay.enable()) {
      delay.reset()
      return
    }
    delay.disable()
    const seen: LoopDelay = {
      p50: lateMs(delay.percentile(50)),
      p99: lateMs(delay.percentile(99)),
      max: lateMs(delay.max),
    }
    writeFileSync(path, JSON.stringify(seen))
  })
}
