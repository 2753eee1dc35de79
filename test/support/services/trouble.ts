import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { runService } from '#sdk/rpc/run-service.ts'
import { service } from '#sdk/service.ts'
import { probe, probeKernel, renamed } from './probe-contract.ts'
import { probeHandlers, writeToWire } from './probe-handlers.ts'

const slowMs = 4_000
/** Misbehaves at its start as the files in this folder say. */
const folder = process.env.TROUBLE ?? ''
const has = (trouble: string) => existsSync(join(folder, trouble))

if (has('crash')) process.exit(7)
if (has('slow')) await delay(slowMs)
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
