import type { EventBus } from '#kernel/events/bus.ts'
import type { Client, Result } from '#sdk/service.ts'
import type { inferenceService } from '#sdk/services/inference.ts'

export type InferenceStatus = Result<(typeof inferenceService)['methods']['status']>

/** How old a status may be before the next reader has it asked for anew, in milliseconds. */
const freshMs = 1_000

/** The last status of the inference service, for those who can not wait for it: health answers also while it restarts. */
export function openInferenceView(
  inference: Pick<Client<typeof inferenceService>, 'status'>,
  bus: Pick<EventBus, 'subscribe'>,
  now: () => number = Date.now,
) {
  let latest: InferenceStatus | null = null
  let askedAt = Number.NEGATIVE_INFINITY

  async function refresh(): Promise<InferenceStatus> {
    askedAt = now()
    latest = await inference.status({})
    return latest
  }

  // Who asks seldom would otherwise be shown how things stood when last asked.
  const stop = bus.subscribe(({ type }) => {
    if (type === 'breaker_changed' || type === 'config_updated') refresh().catch(() => {})
  })

  return {
    /** What is known at once; null until the service has answered for the first time. */
    latest(): InferenceStatus | null {
      // A failure shows in the service's own state; the view goes on showing the last answer.
      if (now() - askedAt >= freshMs) refresh().catch(() => {})
      return latest
    },
    refresh,
    close: stop,
  }
}

export type InferenceView = ReturnType<typeof openInferenceView>
