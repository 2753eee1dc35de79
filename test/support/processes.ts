import { readdirSync, readFileSync } from 'node:fs'

export interface ProcessEntry {
  pid: number
  parent: number
  command: string
}

/** Every process of this machine whose command or environment names the text; known on Linux alone. */
export function processesNaming(text: string): ProcessEntry[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
        const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
        const names = command.includes(text) || readFileSync(`/proc/${pid}/environ`, 'utf8').includes(text)
        return names && state !== 'Z' ? [{ pid: Number(pid), parent: Number(parent), command }] : []
      } catch {
        // It has ended while the list was read, or belongs to someone else.
        return []
      }
    })
}
