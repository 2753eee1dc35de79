import { runService } from '#sdk/rpc/run-service.ts'
import { probeKernel, renamed } from './probe-contract.ts'
import { probeHandlers, writeToWire } from './probe-handlers.ts'

/** The probe under another name. */
runService(renamed('other'), probeKernel, (kernel) => ({ handlers: probeHandlers(kernel, writeToWire) }))
