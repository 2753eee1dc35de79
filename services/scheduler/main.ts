import { runService } from '#sdk/rpc/run-service.ts'
import { kernelForScheduler } from '#sdk/services/kernel.ts'
import { schedulerService } from '#sdk/services/scheduler.ts'
import { createScheduler } from './scheduler.ts'

runService(schedulerService, kernelForScheduler, createScheduler)
