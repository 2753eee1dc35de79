import type { CliSession } from './connection.ts'
import { duration } from './status.ts'

/** A restart waits until the old process has finished its calls, in milliseconds. */
const restartMs = 120_000
const mebibyte = 1_048_576

export async function listServices({ client, out }: CliSession): Promise<void> {
  out.value(await client.services.listServices(), ({ services }) => {
    const rows = services.map((service) => [
      service.name,
      service.state === 'stopped' && service.lazy ? 'stopped until it is needed' : service.state,
      service.pid === null ? '–' : String(service.pid),
      service.pid === null ? '–' : duration(service.uptime_seconds),
      String(service.restarts),
      service.rss_bytes === null ? '–' : `${Math.round(service.rss_bytes / mebibyte)} MiB`,
      String(service.calls_in_flight + service.queued_calls),
      service.last_error ?? '',
    ])
    out.table(['NAME', 'STATE', 'PROCESS', 'UP FOR', 'RESTARTS', 'MEMORY', 'CALLS', 'LAST ERROR'], rows)
  })
}

export async function restartService({ client, out, io }: CliSession, name: string): Promise<void> {
  const signal = AbortSignal.any([io.signal, AbortSignal.timeout(restartMs)])
  out.value(await client.services.restartService({ params: { name }, signal }), ({ service }) =>
    out.line(
      `${service.name} was replaced and is ${service.state}${service.pid === null ? '' : ` (process ${service.pid})`}.`,
    ),
  )
}
