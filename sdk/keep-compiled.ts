import { flushCompileCache } from 'node:module'

const startUpMs = 1_000

/** Once it has started up, a process or thread keeps its compiled code for the next one: at its end would be too late for one that is killed. */
export function keepCompiledCode(): void {
  setTimeout(flushCompileCache, startUpMs).unref()
}
