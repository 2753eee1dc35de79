import { z } from 'zod'
import { spanBounds, spanKinds } from './span.ts'

/** The notice by which a service hands its spans to the kernel. */
export const spansNotice = '$/spans'
/** Spans of one notice. */
export const maxBatchSpans = 64

const text = z.string().max(spanBounds.content)
const spanId = z.string().regex(/^[0-9a-f]{16}$/)
const at = z.number().nonnegative()

const spanRecord = z.object({
  trace_id: z.string().regex(/^[0-9a-f]{32}$/),
  span_id: spanId,
  parent_id: spanId.nullable(),
  remote: z.boolean(),
  name: z.string().max(spanBounds.name),
  kind: z.enum(spanKinds),
  start: at,
  end: at,
  attributes: z
    .record(
      z.string().max(spanBounds.key),
      z.union([text, z.number(), z.boolean(), z.array(text).max(spanBounds.list)]),
    )
    .refine((attributes) => Object.keys(attributes).length <= spanBounds.attributes),
  failed: z.boolean(),
})

export const spanBatch = z.object({
  spans: z.array(spanRecord).max(maxBatchSpans),
  /** How many more there were than could be kept. */
  dropped: z.int().nonnegative(),
})
export type SpanBatch = z.infer<typeof spanBatch>
