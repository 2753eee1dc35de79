import type { Peer } from '../rpc/peer.ts'
import { type SpanRecord, spanBytes } from './span.ts'
import { maxBatchSpans, type SpanBatch, spansNotice } from './span-batch.ts'
import { keepSpans } from './tracing.ts'

/** How long a span waits for others, in milliseconds: so much of them is lost when the process is killed. */
const groupMs = 100
/** Spans that wait, and about how many bytes of them; those beyond are counted and dropped. */
const maxWaiting = 2_048
const maxWaitingBytes = 8 * 1024 * 1024
/** About how many bytes leave at a time. */
const batchBytes = 512 * 1024
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
  const waiting: SpanRecord[] = []
  let waitingBytes = 0
  let dropped = 0
  let timer: NodeJS.Timeout | undefined

  function take(record: SpanRecord): void {
    const bytes = spanBytes(record)
    if (waiting.length >= maxWaiting || waitingBytes + bytes > maxWaitingBytes) dropped += 1
    else {
      waiting.push(record)
      waitingBytes += bytes
    }
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
    for (let next = 0; next < waiting.length; ) {
      const spans: SpanRecord[] = []
      for (let bytes = 0; bytes < batchBytes && spans.length < maxBatchSpans; next++) {
        const span = waiting[next]
        if (!span) break
        spans.push(span)
        bytes += spanBytes(span)
      }
      const batch: SpanBatch = { spans, dropped }
      dropped = 0
      peer.notify(spansNotice, batch)
    }
    waiting.length = 0
    waitingBytes = 0
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
