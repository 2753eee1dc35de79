import type { Logger } from 'pino'

/** How often one that can not be reached is told of, in milliseconds. */
const warnEveryMs = 60_000
/** Characters of the reason. */
const maxReasonLength = 200

/** A collector that is away is told of now and then, and once it is back; one that comes and goes no more often. Its own words stay out of the log. */
export function collectorWarnings(log: Logger, collector: string, now: () => number = Date.now) {
  let warnedAt = Number.NEGATIVE_INFINITY
  let isTold = false
  let lost = 0
  return {
    failed(error: Error & { code?: unknown }, spans: number) {
      lost += spans
      if (now() - warnedAt < warnEveryMs) return
      warnedAt = now()
      isTold = true
      const { code, message } = error
      log.warn(
        { collector, code, reason: message.slice(0, maxReasonLength), lost },
        'traces could not be sent to the collector',
      )
    },
    succeeded() {
      if (!isTold) return
      log.info({ collector, lost }, 'the collector takes traces again')
      isTold = false
      lost = 0
    },
  }
}
