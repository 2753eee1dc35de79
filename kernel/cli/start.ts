import { writeFileSync } from 'node:fs'
import packageJson from '../../package.json' with { type: 'json' }
import { type Home, openHome, replaceSecretKey } from '../home.ts'
import type { CliIo, GlobalOptions } from './cli-io.ts'
import { createOutput, type Output } from './output.ts'

/** What `start` needs of the kernel. */
export interface RunningKernel {
  url: string
  /** For a browser. */
  dashboardUrl: string
  /** Settles with the exit code. */
  closed: Promise<number>
  close(reason: string): Promise<void>
}
export type StartKernel = (options: { home?: string; env: NodeJS.ProcessEnv }) => Promise<RunningKernel>

export interface StartOptions extends GlobalOptions {
  newSecretKey?: boolean
  /** Tells the process that started this one, over its channel, when it is up. */
  announce?: boolean
}

/** What a detached kernel tells the process that started it. */
export interface StartAnnouncement {
  url: string
  dashboard_url: string
  pid: number
  home: string
}

/** Runs Keel until it is told to stop; the second signal does not wait for turns. */
export async function start(io: CliIo, options: StartOptions, startKernel: StartKernel): Promise<number> {
  const home = prepareHome(io, options)
  const kernel = await startKernel({ home: home.root, env: io.env })
  writeFileSync(home.urlFile, `${kernel.url}\n`, { mode: 0o600 })
  const announcement = { url: kernel.url, dashboard_url: kernel.dashboardUrl, pid: process.pid, home: home.root }
  if (options.announce && process.send) {
    process.send(announcement)
    process.disconnect?.()
  } else showStart(announcement, createOutput(io, options), 'Stop it with Ctrl-C.')

  const stops: NodeJS.Signals[] = ['SIGINT', 'SIGTERM']
  let asked = false
  const stop = (signal: NodeJS.Signals) => {
    if (asked) process.exit(signal === 'SIGINT' ? 130 : 143)
    asked = true
    void kernel.close(signal)
  }
  for (const signal of stops) process.on(signal, stop)
  try {
    return await kernel.closed
  } finally {
    for (const signal of stops) process.off(signal, stop)
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
