import type { ServiceHandlers } from '#sdk/service.ts'
import { agentService } from '#sdk/services/agent.ts'
import { inferenceService } from '#sdk/services/inference.ts'
import { kernelForAgent, kernelForInference, type kernelForSandbox, kernelForTools } from '#sdk/services/kernel.ts'
import { toolsService } from '#sdk/services/tools.ts'
import { sandboxSpec } from './plugins/sandbox-spec.ts'
import { serviceSpec } from './supervisor/spec.ts'

/** What the kernel does for each service that asks. */
export interface KernelTerms {
  agent: ServiceHandlers<typeof kernelForAgent>
  inference: ServiceHandlers<typeof kernelForInference>
  tools: ServiceHandlers<typeof kernelForTools>
  sandbox: ServiceHandlers<typeof kernelForSandbox>
}

const entryOf = (name: string) => new URL(`../services/${name}/main.ts`, import.meta.url)

/** On the path of every request: a silence is noticed sooner. */
const hotHeartbeat = { everyMs: 250, misses: 4 }

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
      contract: toolsService,
      entry: entryOf('tools'),
      kernel: { contract: kernelForTools, handlers: terms.tools },
      start: 'lazy',
    }),
    sandboxSpec(terms.sandbox),
  ]
}
