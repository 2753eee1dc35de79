import packageJson from '../../package.json' with { type: 'json' }
import { KernelHost } from '../handover/kernel-host.ts'
import { LocalKernel, type StartKernel } from '../handover/local-kernel.ts'
import { listenToSignals } from '../handover/signals.ts'
import { type Home, openHome, replaceSecretKey } from '../home.ts'
import type { CliIo, GlobalOptions } from './cli-io.ts'
import { createOutput, type Output } from './output.ts'

export interface StartOptions extends GlobalOptions {
  newSecretKey?: boolean
  /** Tells the process that started this one, over its channel, when it is up. */
  announce?: boolean
  /** Waits to be told over its channel to take over from a running kernel. */
  successor?: boolean
}

/** What a detached kernel tells the process that started it. */
export interface StartAnnouncement {
  url: string
  dashboard_url: string
  pid: number
  home: string
}

/**
 * Runs Keel until it is told to stop; the second signal does not wait for turns. After an upgrade, whoever waits for this
 * process goes on waiting for it; one that was started in the background leaves.
 */
export async function start(io: CliIo, options: StartOptions, startKernel: StartKernel): Promise<number> {
  const home = prepareHome(io, options)
  const local = new LocalKernel(home, io.env, startKernel)
  const host = new KernelHost(local, { home, env: io.env, isWatched: !options.announce })
  const ignoreSignals = listenToSignals({
    onStop: (signal) => host.stop(signal),
    onSecondStop: () => host.stopNow(),
    onUpgrade: () => void host.handOver(),
  })
  try {
    const kernel = await local.start()
    const announcement = { url: kernel.url, dashboard_url: kernel.dashboardUrl, pid: process.pid, home: home.root }
    if (options.announce && process.send) {
      process.send(announcement)
      process.disconnect?.()
    } else showStart(announcement, createOutput(io, options), 'Stop it with Ctrl-C.')
    return await host.ended
  } finally {
    ignoreSignals()
  }
}

export function prepareHome(io: CliIo, { home, newSecretKey }: StartOptions): Home {
  if (newSecretKey) replaceSecretKey(home, io.env)
  return openHome(home, io.env)
}

export function showStart(announcement: StartAnnouncement, out: Output, closing: string): void {
  out.value(announcement, ({ url, dashboard_url, home }) => {
    out.line(`${out.style('bold', `Keel ${packageJson.version}`)} is up.`)
    out.line()
    out.line(`  Address    ${out.style('cyan', url)}`)
    out.line(`  Dashboard  ${out.style('cyan', dashboard_url)}`)
    out.line(`  Home       ${home}`)
    out.line(`  Try it     keel chat`)
    out.line()
    out.line(closing)
  })
}
