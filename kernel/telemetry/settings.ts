import type { Config } from '#kernel/config/schema.ts'

const tracesPath = '/v1/traces'

/** Where spans go and what they may tell. */
export interface ExportSettings {
  url: string
  headers: Record<string, string>
  serviceName: string
  sampleRatio: number
  capturesContent: boolean
}

/** What the configuration says, or where it names no endpoint the environment; undefined exports nothing. */
export function exportSettings(
  { otlp_endpoint, otlp_headers, service_name, sample_ratio, capture_content }: Config['telemetry'],
  env: NodeJS.ProcessEnv,
): ExportSettings | undefined {
  const url = tracesUrl(otlp_endpoint ?? env.OTEL_EXPORTER_OTLP_ENDPOINT ?? '')
  if (url === undefined) return undefined
  const isConfigured = otlp_endpoint !== null || Object.keys(otlp_headers).length > 0
  return {
    url,
    headers: isConfigured ? otlp_headers : headersOf(env.OTEL_EXPORTER_OTLP_HEADERS ?? ''),
    serviceName: service_name,
    sampleRatio: sample_ratio,
    capturesContent: capture_content,
  }
}

/** What an endpoint of the environment is not: the configuration has been judged where it came in. */
export function isUnusableEndpoint(endpoint: string | undefined): boolean {
  return endpoint !== undefined && endpoint !== '' && tracesUrl(endpoint) === undefined
}

function tracesUrl(endpoint: string): string | undefined {
  if (!URL.canParse(endpoint)) return undefined
  const url = new URL(endpoint)
  if (!/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') return undefined
  if (!url.pathname.endsWith(tracesPath)) url.pathname = url.pathname.replace(/\/*$/, tracesPath)
  return url.href
}

/** `name=value` pairs with commas between them and values in percent-encoding; what is no pair is passed over. */
function headersOf(text: string): Record<string, string> {
  const pairs = text.split(',').flatMap((pair): [string, string][] => {
    const [, name, value] = /^\s*([A-Za-z0-9-]+)\s*=\s*(\S.*?)\s*$/.exec(pair) ?? []
    return name !== undefined && value !== undefined ? [[name, decoded(value)]] : []
  })
  return Object.fromEntries(pairs)
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value)
  } catch {
    return value // It has a "%" of its own.
  }
}
