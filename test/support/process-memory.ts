import { readdirSync, readFileSync } from 'node:fs'

/*
 * What the system says of processes; known on Linux alone, where all of this is a file.
 */

const bytesPerKb = 1024
const bytesPerMb = 1_000_000
const msPerTick = 10

/** Proportional set size in MB: memory shared by several processes counts in equal parts. */
export function pssMb(pid: number): number {
  return kilobytes(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'), 'Pss')
}

/** Resident set size in MB. */
export function rssMb(pid: number): number {
  return kilobytes(readFileSync(`/proc/${pid}/status`, 'utf8'), 'VmRSS')
}

/** What it has worked so far, all of its threads together, in milliseconds. */
export function cpuMs(pid: number): number {
  // The 14th and 15th field of proc_pid_stat(5), counted from behind the name, which may hold anything.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * msPerTick
}

/** How many files and sockets a process has open. */
export function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

function kilobytes(text: string, name: string): number {
  const found = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)
  if (!found) throw new Error(`The system does not tell ${name}`)
  return (Number(found[1]) * bytesPerKb) / bytesPerMb
}
