import { runService } from '#sdk/rpc/run-service.ts'
import { browserService } from '#sdk/services/browser.ts'
import { kernelForBrowser } from '#sdk/services/kernel.ts'
import { createBrowser } from './browser.ts'

runService(browserService, kernelForBrowser, createBrowser)
