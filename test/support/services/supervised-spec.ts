import { type ServiceSpec, serviceSpec } from '#kernel/supervisor/spec.ts'
import { probe, probeKernel } from './probe-contract.ts'

const probeEntry = new URL('./probe.ts', import.meta.url)

export function probeSpec(change: Partial<ServiceSpec<typeof probe, typeof probeKernel>> = {}) {
  return serviceSpec({
    contract: probe,
    entry: probeEntry,
    kernel: {
      contract: probeKernel,
      handlers: {
        note: ({ text }) => text.toUpperCase(),
        breakDown() {
          throw new Error('the kernel failed')
        },
      },
    },
    heartbeat: { everyMs: 200, misses: 4 },
    ...change,
  })
}
