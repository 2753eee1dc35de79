import { errorTable, isErrorOf, RuntimeError, reasonOf } from '#sdk/errors.ts'

/** A request that found nobody listening, or lost the connection. */
export function isUnreachable(thrown: unknown): boolean {
  return isErrorOf(thrown, 'unavailable') && thrown.cause instanceof TypeError
}

/** One sentence for stderr. */
export function failureText(thrown: unknown): string {
  if (isUnreachable(thrown)) return 'Keel does not answer. Is it running? Start it with: keel start'
  if (thrown instanceof RuntimeError) {
    // The bare title tells nothing; on the operator's own terminal its cause is what helps.
    const isBare = thrown.message === errorTable.internal.title
    return isBare && thrown.cause instanceof Error ? `${thrown.message}: ${thrown.cause.message}` : thrown.message
  }
  return reasonOf(thrown)
}

const usageExitCode = 1
const portTakenExitCode = 2

/** 1 bad configuration or usage, 2 port taken, 3 database unusable. */
export function exitCodeOf(thrown: unknown): number {
  if (thrown instanceof RuntimeError && typeof thrown.details?.exit_code === 'number') return thrown.details.exit_code
  return (thrown as NodeJS.ErrnoException | null)?.code === 'EADDRINUSE' ? portTakenExitCode : usageExitCode
}
