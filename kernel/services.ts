import type { ServiceHandlers } from '#sdk/service.ts'
import { agentService } from '#sdk/services/agent.ts'
import { browserService } from '#sdk/services/browser.ts'
import { channelsService } from '#sdk/services/channels.ts'
import { inferenceService } from '#sdk/services/inference.ts'
import {
  kernelForAgent,
  kernelForBrowser,
  kernelForChannels,
  kernelForInference,
  kernelForMemory,
  type kernelForSandbox,
  kernelForScheduler,
  kernelForTools,
} from '#sdk/services/kernel.ts'
import { memoryService } from '#sdk/services/memory.ts'
import { schedulerService } from '#sdk/services/scheduler.ts'
import { toolsService } from '#sdk/services/tools.ts'
import { sandboxSpec } from './plugins/sandbox-spec.ts'
import { serviceSpec } from './supervisor/spec.ts'

/** What the kernel does for each service that asks. */
export interface KernelTerms {
  agent: ServiceHandlers<typeof kernelForAgent>
  inference: ServiceHandlers<typeof kernelForInference>
  tools: ServiceHandlers<typeof kernelForTools>
  memory: ServiceHandlers<typeof kernelForMemory>
  scheduler: ServiceHandlers<typeof kernelForScheduler>
  channels: ServiceHandlers<typeof kernelForChannels>
  browser: ServiceHandlers<typeof kernelForBrowser>
  sandbox: ServiceHandlers<typeof kernelForSandbox>
}

const entryOf = (name: string) => new URL(`../services/${name}/main.ts`, import.meta.url)

/** On the path of every request: a silence is noticed sooner. */
const hotHeartbeat = { everyMs: 250, misses: 4 }

/** A million vectors, and what ranking a million entries needs. */
const memoryBytes = 1024 * 1024 * 1024

/** Seven adapters on threads of their own, and a file on its way through each. */
const channelsBytes = 1024 * 1024 * 1024
/** Where it may be found, and the screen of one that is to be seen. */
const browserEnvNames = [
  'CHROME_PATH',
  'DISPLAY',
  'WAYLAND_DISPLAY',
  'XAUTHORITY',
  'ProgramFiles',
  'ProgramFiles(x86)',
  'LOCALAPPDATA',
] as const

/** What pages print and send comes through the process, however much it is. */
const browserBytes = 1024 * 1024 * 1024

/** A browser that nobody has used for so long is ended together with its process, in milliseconds. */
const browserIdleMs = 900_000

/** The processes that Keel is made of. */
export function serviceSpecs(terms: KernelTerms) {
  return [
    serviceSpec({
      contract: inferenceService,
      entry: entryOf('inference'),
      kernel: { contract: kernelForInference, handlers: terms.inference },
      heartbeat: hotHeartbeat,
    }),
    serviceSpec({
      contract: agentService,
      entry: entryOf('agent'),
      kernel: { contract: kernelForAgent, handlers: terms.agent },
      heartbeat: hotHeartbeat,
    }),
    serviceSpec({
      contract: memoryService,
      entry: entryOf('memory'),
      kernel: { contract: kernelForMemory, handlers: terms.memory },
      heartbeat: hotHeartbeat,
      memoryBytes: memoryBytes,
    }),
    serviceSpec({
      contract: schedulerService,
      entry: entryOf('scheduler'),
      kernel: { contract: kernelForScheduler, handlers: terms.scheduler },
    }),
    // Started by its first call: a Keel that talks to no platform has no process for it.
    serviceSpec({
      contract: channelsService,
      entry: entryOf('channels'),
      kernel: { contract: kernelForChannels, handlers: terms.channels },
      start: 'lazy',
      // Two of it would take each other's updates.
      stateful: true,
      memoryBytes: channelsBytes,
    }),
    serviceSpec({
      contract: browserService,
      entry: entryOf('browser'),
      kernel: { contract: kernelForBrowser, handlers: terms.browser },
      start: 'lazy',
      env: Object.fromEntries(
        browserEnvNames.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
      ),
      // Two of them would fight over the profiles, and the sessions of one are not the other's.
      stateful: true,
      memoryBytes: browserBytes,
      idleStopMs: browserIdleMs,
    }),
    serviceSpec({
      contract: toolsService,
      entry: entryOf('tools'),
      kernel: { contract: kernelForTools, handlers: terms.tools },
      start: 'lazy',
    }),
    sandboxSpec(terms.sandbox),
  ]
}
