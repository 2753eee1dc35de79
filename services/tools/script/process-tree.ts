import { readFile } from 'node:fs/promises'

const pageBytes = 4_096
const maxProcesses = 4_096

/** How many processes there are from this one down, and the memory that they hold; zeros where the system does not tell. */
export async function measureTree(root: number): Promise<{ processes: number; rssBytes: number }> {
  const pids = [root]
  let rssBytes = 0
  for (const pid of pids) {
    const [children, statm] = await Promise.all([
      readFile(`/proc/${pid}/task/${pid}/children`, 'latin1').catch(() => ''),
      readFile(`/proc/${pid}/statm`, 'latin1').catch(() => ''),
    ])
    rssBytes += Number(statm.split(' ')[1] ?? 0) * pageBytes
    if (pids.length < maxProcesses) pids.push(...children.split(' ').filter(Boolean).map(Number))
  }
  return { processes: pids.length, rssBytes }
}
