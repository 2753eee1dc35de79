import type { Logger } from 'pino'
import { z } from 'zod'
import { type ChannelUpdate, channelUpdate } from '#sdk/channels/message.ts'

/** Those of an adapter's updates that are what the contract says; one that is not is told of, and holds up no other. */
export function knownUpdates(given: readonly unknown[], log: Logger): ChannelUpdate[] {
  let firstProblem: string | undefined
  const known = given.flatMap((update) => {
    const parsed = channelUpdate.safeParse(update)
    if (parsed.success) return [parsed.data]
    firstProblem ??= z.prettifyError(parsed.error)
    return []
  })
  const dropped = given.length - known.length
  if (dropped > 0) log.warn({ dropped, problem: firstProblem }, 'updates that do not keep to the contract are dropped')
  return known
}
