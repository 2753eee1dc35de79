import { setTimeout as delay } from 'node:timers/promises'
import { openFiles, rssMb } from '../support/process-memory.ts'

const everyMs = 2_000
const msPerMinute = 60_000
/** Of so long a time the lowest figure counts: in between, garbage waits to be collected. */
const lowMs = 30_000

interface Sample {
  /** By `performance.now()`. */
  at: number
  mb: number
  files: number
}

export interface Growth {
  name: string
  /** How long it was watched. */
  minutes: number
  /** The slope of the straight line through the low points of its resident memory. */
  mbPerMinute: number
  mbAtTheEnd: number
  /** Open files and sockets: the mean of the last third over that of the first. */
  filesRatio: number
}

/** Watches the processes of the moment for as long as asked. A process that ends meanwhile is left out. */
export async function watchMemory(pids: ReadonlyMap<string, number>, forMs: number): Promise<Growth[]> {
  const series = new Map<string, Sample[]>([...pids.keys()].map((name) => [name, []]))
  const until = performance.now() + forMs
  while (performance.now() < until) {
    for (const [name, pid] of pids) {
      try {
        series.get(name)?.push({ at: performance.now(), mb: rssMb(pid), files: openFiles(pid) })
      } catch {
        series.delete(name)
      }
    }
    await delay(everyMs)
  }
  return [...series].map(([name, samples]) => growthOf(name, samples))
}

function growthOf(name: string, samples: readonly Sample[]): Growth {
  const [first, last] = [samples[0], samples.at(-1)]
  const third = Math.ceil(samples.length / 3)
  const files = samples.map((sample) => sample.files)
  return {
    name,
    minutes: ((last?.at ?? 0) - (first?.at ?? 0)) / msPerMinute,
    mbPerMinute: slope(lowPoints(samples).map(({ at, mb }) => [at / msPerMinute, mb])),
    mbAtTheEnd: last?.mb ?? 0,
    filesRatio: mean(files.slice(-third)) / mean(files.slice(0, third)),
  }
}

function lowPoints(samples: readonly Sample[]): Sample[] {
  const spans = Map.groupBy(samples, ({ at }) => Math.floor((at - (samples[0]?.at ?? 0)) / lowMs))
  return [...spans.values()].map((span) => span.reduce((low, sample) => (sample.mb < low.mb ? sample : low)))
}

/** Of the line with the least squares. */
function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const meanX = mean(points.map(([x]) => x))
  const meanY = mean(points.map(([, y]) => y))
  const covariance = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0)
  return covariance / points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0)
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
