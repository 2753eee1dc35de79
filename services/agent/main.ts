import { runService } from '#sdk/rpc/run-service.ts'
import { agentService } from '#sdk/services/agent.ts'
import { kernelForAgent } from '#sdk/services/kernel.ts'
import { runTurn } from './run-turn.ts'

runService(agentService, kernelForAgent, (kernel) => ({
  handlers: { run: (job, context) => runTurn(job, context, kernel) },
}))
