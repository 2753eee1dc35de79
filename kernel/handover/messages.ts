import { z } from 'zod'
import { reasonOf } from '#sdk/errors.ts'
import { exitCodeOf } from '../cli/failure.ts'

/** Raised when what the two say to each other changes its meaning. */
export const handoverProtocol = 1

const predecessor = z.object({ pid: z.int(), version: z.string(), stopped_at: z.number() })

/** What the process that arranges handovers tells a kernel's process. */
export const order = z.discriminatedUnion('do', [
  /** With the listening socket: send it back, so that the sender has one on which nobody accepts. */
  z.object({ do: z.literal('copy_listener') }),
  /** With the listening socket: open everything and accept. */
  z.object({ do: z.literal('serve'), predecessor }),
  /** Close everything and stay, should it have to be opened again. */
  z.object({ do: z.literal('let_go') }),
  /** Nobody took over: go on. */
  z.object({ do: z.literal('stay'), reason: z.string() }),
  /** End; `now`: without waiting for anyone. */
  z.object({ do: z.literal('stop'), now: z.boolean() }),
  /** Nobody watches over this process any more: arrange the next handover yourself. */
  z.object({ do: z.literal('go_on_alone') }),
])
export type Order = z.infer<typeof order>

/** What a kernel's process answers. */
export const report = z.discriminatedUnion('is', [
  /** Everything that can be done beforehand is done. */
  z.object({ is: z.literal('ready'), version: z.string(), protocol: z.int() }),
  /** With the listening socket. */
  z.object({ is: z.literal('listener') }),
  z.object({ is: z.literal('serving') }),
  z.object({ is: z.literal('gone'), predecessor }),
  /** It could not be made ready, or could not serve; everything it had opened is closed. */
  z.object({ is: z.literal('failed'), reason: z.string(), exit_code: z.int() }),
  /** A signal asks for what concerns more than this process. */
  z.object({ is: z.literal('wish'), wish: z.enum(['upgrade', 'stop']) }),
])
export type Report = z.infer<typeof report>
export type Wish = Extract<Report, { is: 'wish' }>['wish']
export type ReportKind = Report['is']

/** What was thrown, for the process that arranges the handover. */
export function failureReport(thrown: unknown): Report {
  return { is: 'failed', reason: reasonOf(thrown), exit_code: exitCodeOf(thrown) }
}
