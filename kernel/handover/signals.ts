import { isatty } from 'node:tty'

export interface SignalListeners {
  onStop(signal: NodeJS.Signals): void
  /** The second signal to stop; this process ends right afterwards. */
  onSecondStop?(): void
  onUpgrade(): void
}

const stops = ['SIGINT', 'SIGTERM'] as const

/**
 * SIGINT and SIGTERM stop, SIGHUP asks for a new kernel. A terminal that is closed sends SIGHUP as well: there it stops.
 * Returns the way to listen no longer.
 */
export function listenToSignals({ onStop, onSecondStop, onUpgrade }: SignalListeners): () => void {
  const terminal = [0, 1, 2].find((fd) => isatty(fd))
  let asked = false
  const stop = (signal: NodeJS.Signals) => {
    if (asked) {
      onSecondStop?.()
      process.exit(signal === 'SIGINT' ? 130 : 143)
    }
    asked = true
    onStop(signal)
  }
  const hangUp = () => {
    const isGone = terminal !== undefined && !isatty(terminal)
    // Windows sends it when the console is closed, and has no upgrade.
    if (isGone || process.platform === 'win32') stop('SIGHUP')
    else onUpgrade()
  }
  for (const signal of stops) process.on(signal, stop)
  process.on('SIGHUP', hangUp)
  return () => {
    for (const signal of stops) process.off(signal, stop)
    process.off('SIGHUP', hangUp)
  }
}
