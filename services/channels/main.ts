import { runService } from '#sdk/rpc/run-service.ts'
import { channelsService } from '#sdk/services/channels.ts'
import { kernelForChannels } from '#sdk/services/kernel.ts'
import { createChannels } from './channels.ts'

runService(channelsService, kernelForChannels, createChannels)
