import { constants } from 'node:os'

/** What Node's permissions leave open: other add-ons on the disk, and signals to other processes, the kernel's among them. */
const openDoors = ['dlopen', 'kill', '_kill', '_debugProcess', '_linkedBinding', 'binding', 'execve']

/** What `process.kill` itself calls, and can not find any more in a sealed process. */
const kill = (process as unknown as { _kill(pid: number, signal: number): number })._kill.bind(process)

/** Ends this process at once. An ordinary exit waits for every isolate, and there are some that never come to rest. */
export function endAtOnce(): void {
  kill(process.pid, constants.signals.SIGKILL)
}

/** Takes away what a guest that has left its isolate could still do to others. To be called when everything is loaded. */
export function sealProcess(): void {
  for (const name of openDoors) Reflect.deleteProperty(process, name)
}
