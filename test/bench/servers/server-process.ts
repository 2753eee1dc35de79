import { fork } from 'node:child_process'
import { once } from 'node:events'

export interface ServerProcess {
  url: string
  pid: number
  /** Settles when the process is gone, whoever ended it. */
  ended: Promise<unknown>
  close(): void
}

/** Starts one of the servers in this folder in a process of its own, so that it shares no event loop with the load. */
export async function startServer(
  name: 'upstream' | 'pass-through' | 'bare-express' | 'in-process-host',
  ...args: string[]
) {
  const child = fork(new URL(`${name}.ts`, import.meta.url), args)
  const ended = once(child, 'exit')
  const [port] = (await once(child, 'message')) as [number]
  const server: ServerProcess = {
    url: `http://127.0.0.1:${port}`,
    pid: child.pid ?? 0,
    ended,
    close() {
      if (child.connected) child.disconnect()
    },
  }
  return server
}
