import { z } from 'zod'
import { flag, fraction, headerValue, httpUrl, isHeaderName, requiredText, section } from '../fields.ts'

const maxHeaders = 32

export const telemetry = section({
  /** Where traces go, over OTLP; the path `/v1/traces` is added where it is missing. null exports nothing. */
  otlp_endpoint: z
    .union([z.literal('').transform(() => null), httpUrl('put what lets Keel in into otlp_headers')])
    .nullable()
    .default(null),
  otlp_headers: z
    .record(z.string().refine(isHeaderName, 'expected a header name'), headerValue, 'expected a table')
    .refine((headers) => Object.keys(headers).length <= maxHeaders, `expected at most ${maxHeaders} headers`)
    .default({}),
  service_name: requiredText('keel'),
  sample_ratio: fraction(1),
  /** Prompts, answers and what tools are given and say; redacted and cut, but told. */
  capture_content: flag(false),
  metrics: flag(true),
})
