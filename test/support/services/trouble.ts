import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { runService } from '#sdk/rpc/run-service.ts'
import { service } from '#sdk/service.ts'
import { probe, probeKernel, renamed } from './probe-contract.ts'
import { probeHandlers, writeToWire } from './probe-handlers.ts'

/** Misbehaves at its start as the files in this folder say. */
const folder = process.env.TROUBLE ?? ''
const has = (trouble: string) => existsSync(join(folder, trouble))

if (has('crash')) process.exit(7)
if (has('early')) writeToWire('{"jsonrpc":"2.0","id":1,"method":"kernel.breakDown","params":{}}')
if (has('stranger')) {
  runService(renamed('somebody'), probeKernel, (kernel) => ({
    handlers: probeHandlers(kernel, writeToWire),
  }))
} else if (has('outdated')) {
  runService(probe, service('kernel', {}), () => new Promise<never>(() => {}))
} else if (has('silent')) {
  setInterval(() => {}, 1_000)
} else {
  runService(probe, probeKernel, (kernel) => ({ handlers: probeHandlers(kernel, writeToWire) }))
}
