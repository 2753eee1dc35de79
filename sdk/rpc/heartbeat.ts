import type { Peer } from './peer.ts'

export interface Heartbeat {
  everyMs: number
  misses: number
}

/** With fewer, an answer that is merely on its way would count as missing. */
const fewestMisses = 2

interface HeartbeatEvents {
  onAnswer: (answer: unknown) => void
  onSilence: () => void
}

/**
 * Asks the other end whether its event loop turns. Silent for `misses` intervals in a row, it is given up, once.
 * Returns the function that ends the asking.
 */
export function startHeartbeat(
  peer: Peer,
  { everyMs, misses }: Heartbeat,
  { onAnswer, onSilence }: HeartbeatEvents,
): () => void {
  let unanswered = 0
  let lastTick = performance.now()

  function tick() {
    const now = performance.now()
    // This process was held up itself, and its timers run before it reads what came meanwhile.
    const wasLate = now - lastTick > everyMs * 1.5
    lastTick = now
    if (wasLate) unanswered = 0
    unanswered += 1
    if (unanswered >= Math.max(misses, fewestMisses)) {
      clearInterval(timer)
      onSilence()
      return
    }
    peer.control('$/ping', everyMs * misses).then(
      (answer) => {
        unanswered = 0
        onAnswer(answer)
      },
      () => {}, // Silence is counted above; a closed wire ends the other end by itself.
    )
  }

  const timer = setInterval(tick, everyMs)
  timer.unref()
  return () => clearInterval(timer)
}
