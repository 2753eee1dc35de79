import { runService } from '#sdk/rpc/run-service.ts'
import { kernelForSandbox } from '#sdk/services/kernel.ts'
import { sandboxService } from '#sdk/services/sandbox.ts'
import { createSandbox } from './sandbox.ts'
import { sealProcess } from './seal-process.ts'

sealProcess()
runService(sandboxService, kernelForSandbox, createSandbox)
