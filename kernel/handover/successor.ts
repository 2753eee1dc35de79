import type { SendHandle } from 'node:child_process'
import packageJson from '../../package.json' with { type: 'json' }
import { openHome } from '../home.ts'
import type { ListenHandle } from '../http/server.ts'
import { startKernel } from '../main.ts'
import { KernelHost } from './kernel-host.ts'
import { LocalKernel } from './local-kernel.ts'
import { failureReport, handoverProtocol, type Order, order, type Report } from './messages.ts'
import { rehearse } from './rehearse.ts'
import { listenToSignals } from './signals.ts'

/**
 * A process that was started to take over: does everything that can be done beforehand, then what it is told over its
 * channel. Settles with the exit code. When the channel breaks, it ends, unless it was told to go on alone.
 */
export async function succeed(homePath: string, env: NodeJS.ProcessEnv): Promise<number> {
  const home = openHome(homePath, env)
  await rehearse(home.root, env)
  if (!process.connected) return 1
  const local = new LocalKernel(home, env, startKernel)
  const { promise: code, resolve: end } = Promise.withResolvers<number>()
  let alone: KernelHost | undefined
  local.ended.then((ended) => alone ?? end(ended))

  process.on('message', (message, handle) => {
    const told = order.parse(message)
    obey(told, handle as ListenHandle | undefined).catch((thrown: unknown) => report(failureReport(thrown)))
  })
  process.once('disconnect', () => alone ?? void local.stop('the process that started it has ended'))
  listenToSignals({
    onStop(signal) {
      if (alone) return alone.stop(signal)
      report({ is: 'wish', wish: 'stop' })
      void local.stop(signal)
    },
    onSecondStop: () => alone?.stopNow(),
    onUpgrade: () => (alone ? void alone.handOver() : report({ is: 'wish', wish: 'upgrade' })),
  })

  async function obey(told: Order, listener: ListenHandle | undefined): Promise<void> {
    switch (told.do) {
      case 'copy_listener':
        report({ is: 'listener' }, listener)
        return
      case 'serve':
        if (!listener) throw new Error('the listening socket was not passed on')
        await local.serve(listener, told.predecessor)
        report({ is: 'serving' })
        return
      case 'let_go':
        report({ is: 'gone', predecessor: await local.letGo() })
        return
      case 'stay':
        local.stay(told.reason)
        return
      case 'stop':
        if (told.now) process.exit(1)
        await local.stop('SIGTERM')
        return
      case 'go_on_alone':
        alone = new KernelHost(local, { home, env, isWatched: false })
        alone.ended.then(end)
    }
  }

  report({ is: 'ready', version: packageJson.version, protocol: handoverProtocol })
  try {
    return await code
  } finally {
    if (process.connected) process.disconnect?.()
  }
}

/** A socket that was passed on is open at the other end, and of no use here. */
function report(said: Report, handle?: ListenHandle): void {
  // Node passes such sockets on, and declares it for whole servers alone.
  process.send?.(said, handle as object as SendHandle, {}, () => handle?.close())
}
