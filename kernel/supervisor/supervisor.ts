import type { ServiceStatus } from '#sdk/contracts/services.ts'
import { RuntimeError } from '#sdk/errors.ts'
import type { CallOptions, Client, ServiceContract } from '#sdk/service.ts'
import { sweepOrphans } from './orphans.ts'
import type { ServiceSpec } from './spec.ts'
import { type SupervisedDeps, SupervisedService } from './supervised-service.ts'

/** `runDir`: where children are remembered for the next kernel. */
export interface SupervisorOptions extends SupervisedDeps {
  specs: readonly ServiceSpec[]
}

export interface Supervisor {
  /** A client that outlives the processes behind it. */
  client<S extends ServiceContract>(contract: S): Client<S>
  status(): ServiceStatus[]
  /** Settles once the new process has taken over. `not_found` for a name that is no service. */
  restart(name: string): Promise<void>
  /** Ends its process at once, as a crash is: for whoever knows that it can not go on. */
  endProcess(name: string, reason: string): void
  /** Calls under way may finish within `graceMs`; no process is left afterwards, at most two seconds later. */
  close(graceMs: number): Promise<void>
}

/** Ends what an earlier kernel left behind, then starts the eager services. */
export function startSupervisor({ specs, ...deps }: SupervisorOptions): Supervisor {
  for (const name of sweepOrphans(deps.runDir))
    deps.log.warn({ service: name }, 'ended a process that an earlier kernel left behind')
  const services = new Map(specs.map((spec) => [spec.contract.name, new SupervisedService(spec, deps)]))
  for (const service of services.values()) if (service.spec.start === 'eager') service.start()

  function load(name: string): SupervisedService {
    const service = services.get(name)
    if (!service) throw new RuntimeError('not_found', `service '${name}' not found`)
    return service
  }

  return {
    client<S extends ServiceContract>(contract: S) {
      const service = load(contract.name)
      const entries = Object.entries(contract.methods).map(([name, declared]) => [
        name,
        (params: unknown, options?: CallOptions) => service.call(name, declared, params, options),
      ])
      return Object.fromEntries(entries) as Client<S>
    },
    status: () => [...services.values()].map((service) => service.status()),
    restart: async (name) => load(name).restart(),
    endProcess: (name, reason) => load(name).endProcess(reason),
    async close(graceMs) {
      await Promise.all([...services.values()].map((service) => service.close(graceMs)))
    },
  }
}
