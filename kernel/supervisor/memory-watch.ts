import { closeSync, openSync, readSync } from 'node:fs'

const kibibyte = 1024
/** The figure stands in the first lines of a text of some 1,500 bytes. */
const statusBytes = 1_024

/**
 * Tells what a process has resident, in bytes, at short intervals and whether it answers or not. Only Linux knows;
 * elsewhere nothing is told, and the heartbeat's figure has to do. Returns the function that ends the watching.
 */
export function watchMemory(pid: number, everyMs: number, onBytes: (bytes: number) => void): () => void {
  const file = open(pid)
  if (file === undefined) return () => {}
  const buffer = Buffer.alloc(statusBytes)
  let isOpen = true
  function stop() {
    clearInterval(timer)
    if (isOpen) closeSync(file as number)
    isOpen = false
  }
  const timer = setInterval(() => {
    const bytes = residentBytes(file, buffer)
    if (bytes === undefined) stop()
    else onBytes(bytes)
  }, everyMs)
  timer.unref()
  return stop
}

function open(pid: number): number | undefined {
  try {
    return openSync(`/proc/${pid}/status`, 'r')
  } catch {
    return undefined
  }
}

function residentBytes(file: number, buffer: Buffer): number | undefined {
  try {
    const text = buffer.toString('latin1', 0, readSync(file, buffer, 0, buffer.length, 0))
    const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1]
    return kibibytes === undefined ? undefined : Number(kibibytes) * kibibyte
  } catch {
    return undefined // It has ended.
  }
}
