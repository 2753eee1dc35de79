import { writeSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { runService } from '#sdk/rpc/run-service.ts'
import { kernelForSandbox } from '#sdk/services/kernel.ts'
import { sandboxService } from '#sdk/services/sandbox.ts'

const wireFd = 3

/** A sandbox whose process a guest has taken over: for the plugin `garbled` it writes what it likes to the kernel. */
runService(sandboxService, kernelForSandbox, () => ({
  handlers: {
    describe: () => ({ tools: [] }),
    forget: () => null,
    async run({ plugin }, { emit }) {
      await emit({ type: 'started' })
      if (plugin === 'garbled') {
        // What was said before has left by then.
        await delay(20)
        for (let at = 0; at < 20; at++) writeSync(wireFd, `{"jsonrpc":"2.0","id":${at},"result":\u0000garbage}\n`)
        writeSync(wireFd, '{"jsonrpc":"2.0","method":"kernel.callHost","id":')
        await new Promise(() => {})
      }
      return { status: 'success' as const, output: 'served', metadata: null, fault: null }
    },
  },
}))
