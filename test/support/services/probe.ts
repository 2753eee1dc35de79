import { runService } from '#sdk/rpc/run-service.ts'
import { probe, probeKernel } from './probe-contract.ts'
import { probeHandlers, writeToWire } from './probe-handlers.ts'

runService(probe, probeKernel, (kernel) => ({ handlers: probeHandlers(kernel, writeToWire) }))
