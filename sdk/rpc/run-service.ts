import { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import { keepCompiledCode } from '../keep-compiled.ts'
import { serviceLog } from '../log.ts'
import { type Client, fingerprint, type ServiceContract, type ServiceHandlers } from '../service.ts'
import { relaySpans } from '../telemetry/span-relay.ts'
import { maxServiceFrameBytes } from './channel.ts'
import { Peer } from './peer.ts'
import { socketChannel } from './socket-channel.ts'

/** The descriptor on which the kernel hands a service its end of the socket pair. */
const wireFd = 3
/** What `close` may take, in milliseconds: without a kernel nobody is left to end a process that hangs in it. */
const closeMs = 1_000

export interface ServiceSetup<S extends ServiceContract> {
  handlers: ServiceHandlers<S>
  /** Finishes what can be finished before the process ends. */
  close?: () => void | Promise<void>
}

/**
 * The whole of a service's main.ts: greets the kernel, sets up, serves, and ends when the kernel says so or the wire
 * closes. Signals reach the whole process group, from a terminal for example, and are the kernel's to act on.
 */
export function runService<S extends ServiceContract, K extends ServiceContract>(
  contract: S,
  kernelContract: K,
  setUp: (kernel: Client<K>, log: Logger) => ServiceSetup<S> | Promise<ServiceSetup<S>>,
): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
  const log = serviceLog(contract.name)
  const channel = socketChannel(new Socket({ fd: wireFd }))
  const peer = new Peer(channel, {
    onFault: (message, cause) => log.error({ err: cause }, message),
    onHandlerFailure: (method, cause) => log.error({ err: cause }, `${method} failed`),
    maxFrameBytes: maxServiceFrameBytes,
  })

  const spans = relaySpans(peer)
  let ready: Promise<ServiceSetup<S>> | undefined
  let ending = false
  const end = async (code: number) => {
    if (ending) return
    ending = true
    // What is said in the end is sent before the end.
    const sendRest = () => {
      spans.flush()
      return channel.drained()
    }
    const closed = Promise.resolve(ready?.then((setup) => setup.close?.())).finally(sendRest)
    const late = delay(closeMs).then(() => log.warn(`${contract.name} did not close within ${closeMs} ms`))
    await Promise.race([closed, late]).catch((err) => log.error({ err }, 'closing failed'))
    process.exit(code)
  }
  channel.onClose(() => void end(0))
  peer.onNotice('$/stop', () => void end(0))
  peer.answerControl('$/ping', async () => {
    await ready
    const { user, system } = process.cpuUsage()
    return { rss_bytes: process.memoryUsage.rss(), cpu_seconds: (user + system) / 1e6 }
  })
  peer.notify('$/hello', { name: contract.name, pid: process.pid, fingerprint: fingerprint(contract, kernelContract) })
  ready = Promise.try(setUp, peer.connect(kernelContract), log).then((setup) => {
    peer.serve(contract, setup.handlers)
    keepCompiledCode()
    return setup
  })
  ready.catch((err) => {
    log.fatal({ err }, `${contract.name} could not start`)
    process.exit(1)
  })
}
