import { readdirSync, readFileSync } from 'node:fs'

/*
 * The processes of this machine, as /proc has them: known on Linux alone.
 */

export interface ProcessEntry {
  pid: number
  parent: number
}

/** Every process that runs; those that have ended and are not yet taken note of are none. */
export function listProcesses(): ProcessEntry[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      const stat = readOf(pid, 'stat')
      // The command stands in parentheses and may hold anything; state and parent follow.
      const [state, parent] = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? ['Z']
      return state === 'Z' ? [] : [{ pid: Number(pid), parent: Number(parent) }]
    })
}

/** Every other process whose command or environment names the text. */
export function processesNaming(text: string): (ProcessEntry & { command: string })[] {
  return listProcesses().flatMap((entry) => {
    if (entry.pid === process.pid) return []
    const command = readOf(entry.pid, 'cmdline')?.replaceAll('\0', ' ')
    if (command === undefined) return []
    return command.includes(text) || readOf(entry.pid, 'environ')?.includes(text) ? [{ ...entry, command }] : []
  })
}

/** A process and everything below it, itself first. */
export function treePids(pid: number): number[] {
  const childrenOf = Map.groupBy(listProcesses(), ({ parent }) => parent)
  const below = (one: number): number[] => [one, ...(childrenOf.get(one) ?? []).flatMap((child) => below(child.pid))]
  return below(pid)
}

/** Undefined for a process that has ended meanwhile, or belongs to someone else. */
function readOf(pid: number | string, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return undefined
  }
}
