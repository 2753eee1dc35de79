import { runService } from '#sdk/rpc/run-service.ts'
import { kernelForTools } from '#sdk/services/kernel.ts'
import { toolsService } from '#sdk/services/tools.ts'
import { createTools } from './tools.ts'

runService(toolsService, kernelForTools, createTools)
