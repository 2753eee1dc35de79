import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { eventually, startDaemon } from '../support/daemon.ts'

/** The access modes, of the last digit of the flags, with which a process has a file open: 0 reads, 1 writes, 2 does both. */
function accessOf(pid: number, path: string): number[] {
  return readdirSync(`/proc/${pid}/fd`)
    .filter((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`) === path)
    .map((fd) => Number(/^flags:\s*\d*(\d)$/m.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8'))?.[1]))
}

test.runIf(process.platform === 'linux')(
  'the kernel alone can write the database; memory reads it, others not even that',
  async () => {
    const keel = await startDaemon()
    onTestFinished(() => keel.dispose())
    await keel.client.agent.sendMessage({ body: { content: '/remember the boat is blue' } })
    await eventually('it is remembered', async () => (await keel.client.memory.getMemoryStatus()).waiting === 0)
    const database = join(keel.home, 'keel.db')
    const { services } = await keel.client.services.listServices()
    const running = services.flatMap(({ name, pid }) =>
      pid === null ? [] : [{ name, access: accessOf(pid, database) }],
    )
    expect(running.map(({ name }) => name)).toEqual(expect.arrayContaining(['agent', 'inference', 'memory']))
    for (const { name, access } of running) expect(new Set(access), name).toEqual(new Set(name === 'memory' ? [0] : []))
    expect(accessOf(keel.pid, database)).toContain(2)
  },
)
