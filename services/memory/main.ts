import { runService } from '#sdk/rpc/run-service.ts'
import { kernelForMemory } from '#sdk/services/kernel.ts'
import { memoryService } from '#sdk/services/memory.ts'
import { createMemory } from './memory.ts'

runService(memoryService, kernelForMemory, createMemory)
