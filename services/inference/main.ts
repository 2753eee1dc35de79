import { runService } from '#sdk/rpc/run-service.ts'
import { inferenceService } from '#sdk/services/inference.ts'
import { kernelForInference } from '#sdk/services/kernel.ts'
import { createInference } from './inference.ts'

runService(inferenceService, kernelForInference, createInference)
