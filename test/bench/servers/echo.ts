import { runService } from '#sdk/rpc/run-service.ts'
import { echoService, kernelForEcho } from './echo-contract.ts'

runService(echoService, kernelForEcho, () => ({ handlers: { echo: (message) => message } }))
