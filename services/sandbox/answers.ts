import { type GuestAnswer, type GuestFault, guestFault } from '#sdk/services/sandbox.ts'
import { GuestEnded } from './cell.ts'
import { LoadFailure } from './guest-program.ts'

export function successOf(output: string, isJson: boolean, maxBytes: number): GuestAnswer {
  const bytes = Buffer.byteLength(output)
  if (bytes > maxBytes)
    return faultOf('too_large', `It answered with ${bytes} bytes, and at most ${maxBytes} are taken`)
  return { status: 'success', output, metadata: isJson ? { format: 'json' } : null, fault: null }
}

export function faultOf(fault: GuestFault, output: string): GuestAnswer {
  return { status: 'error', output, metadata: null, fault }
}

/** A fault as the guest's own runtime names it. */
export function namedFaultOf(name: unknown, output: string): GuestAnswer {
  return faultOf(guestFault.catch('threw').parse(name), output)
}

/** What ended a call from outside. Throws what is the service's own failure. */
export function answerOf(thrown: unknown): GuestAnswer {
  if (thrown instanceof GuestEnded) {
    return { ...faultOf(thrown.fault, thrown.message), metadata: thrown.endsProcess ? { process_ended: true } : null }
  }
  if (thrown instanceof LoadFailure) return faultOf('threw', thrown.message)
  throw thrown
}
