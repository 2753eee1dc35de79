import type { Peer } from '../rpc/peer.ts'
import type { SpanRecord } from './span.ts'
import { maxBatchSpans, type SpanBatch, spansNotice } from './span-batch.ts'
import { keepSpans } from './tracing.ts'

/** How long a span waits for others, in milliseconds: so much of them is lost when the process is killed. */
const groupMs = 100
/** Spans that wait; those beyond are counted and dropped. */
const maxWaiting = 2_048
/** While so many bytes wait to leave, answers go first. */
const busyBytes = 256 * 1024

export interface SpanRelay {
  /** Sends what waits. */
  flush(): void
  stop(): void
}

/**
 * Has the kernel keep this process's spans of traces that it keeps. The kernel alone exports: here is no exporter to load, no
 * collector to reach and no key for it to know.
 */
export function relaySpans(peer: Pick<Peer, 'notify' | 'bufferedBytes'>): SpanRelay {
  let waiting: SpanRecord[] = []
  let dropped = 0
  let timer: NodeJS.Timeout | undefined

  function take(record: SpanRecord): void {
    if (waiting.length >= maxWaiting) dropped += 1
    else waiting.push(record)
    if (timer === undefined) {
      timer = setTimeout(sendWhenFree, groupMs)
      timer.unref()
    }
  }

  function sendWhenFree(): void {
    timer = undefined
    if (peer.bufferedBytes > busyBytes) {
      timer = setTimeout(sendWhenFree, groupMs)
      timer.unref()
    } else flush()
  }

  function flush(): void {
    clearTimeout(timer)
    timer = undefined
    while (waiting.length > 0) {
      const batch: SpanBatch = { spans: waiting.splice(0, maxBatchSpans), dropped }
      dropped = 0
      peer.notify(spansNotice, batch)
    }
    waiting = []
  }

  const stopKeeping = keepSpans({ sink: take, sampleRatio: 0, capturesContent: false })
  return {
    flush,
    stop() {
      clearTimeout(timer)
      stopKeeping()
    },
  }
}
