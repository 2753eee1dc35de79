import { isIP } from 'node:net'
import { z } from 'zod'
import { isListedHost } from '#sdk/egress/host-list.ts'
import { RuntimeError } from '#sdk/errors.ts'
import type { Client } from '#sdk/service.ts'
import { secretReference } from '#sdk/services/sandbox.ts'
import type { toolsService } from '#sdk/services/tools.ts'
import type { HostFunction, HostSession } from './host-function.ts'

const maxBytes = 524_288
const timeoutMs = 30_000
const maxHeaders = 32
const maxHeaderLength = 4_096
/** Headers that say who speaks, or how the connection is used: those are not the guest's. */
const ownHeaders =
  /^(?:host|connection|content-length|transfer-encoding|upgrade|cookie|proxy-.*|sec-.*|x-forwarded-.*|forwarded)$/i

const fetchArgs = z.object({
  url: z.string().max(4_096),
  method: z
    .string()
    .toUpperCase()
    .pipe(z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']))
    .default('GET'),
  headers: z
    .record(z.string().regex(/^[A-Za-z0-9-]{1,64}$/), z.string().max(maxHeaderLength))
    .refine((headers) => Object.keys(headers).length <= maxHeaders, `at most ${maxHeaders}`)
    .default({}),
  body: z.string().max(1_048_576).nullish(),
})

interface FetchDeps {
  tools: Pick<Client<typeof toolsService>, 'fetch'>
  /** The value of a plugin's secret. */
  secretOf: (plugin: string, name: string) => string | undefined
}

/** Requests to the hosts that the manifest names and nobody else, through the egress guard. */
export function httpFunctions({ tools, secretOf }: FetchDeps): Record<string, HostFunction> {
  return {
    async 'http.fetch'([address, options = {}], session) {
      const parsed = fetchArgs.safeParse({ ...(typeof options === 'object' ? options : {}), url: address })
      if (!parsed.success) throw new RuntimeError('invalid', `http.fetch: ${z.prettifyError(parsed.error)}`)
      const { url: text, method, body = null, headers } = parsed.data
      const { hosts } = session.grants
      const url = URL.parse(text)
      if (!url || !isListedHost(url, hosts))
        throw new RuntimeError(
          'forbidden',
          `http.fetch: ${url?.origin ?? text} is none of the plugin's hosts (${hosts.join(', ') || 'it was granted none'})`,
        )
      const { sent, values } = withSecrets(url, headers, session, secretOf)
      if (method !== 'GET' && method !== 'HEAD') session.effects = true
      const answer = await tools.fetch(
        {
          url: url.href,
          method,
          headers: sent,
          body,
          max_bytes: maxBytes,
          timeout_ms: timeoutMs,
          only_hosts: [...hosts],
          allowed_hosts: hosts.map((host) => host.replace(/^https?:\/\//, '')).filter(isPlainlyPrivate),
        },
        { signal: session.signal },
      )
      const { status, headers: told, body: content, truncated } = answer
      // Some servers repeat in the answer what they were asked with.
      const without = (text: string) => hideValues(text, values)
      const shown = Object.fromEntries(Object.entries(told).map(([name, value]) => [name, without(value)]))
      return { status, headers: shown, body: without(content), truncated }
    },
  }
}

/** Puts the values where the guest has put their references, each only towards the hosts it is for. */
function withSecrets(
  url: URL,
  headers: Record<string, string>,
  { plugin, grants }: HostSession,
  secretOf: FetchDeps['secretOf'],
): { sent: Record<string, string>; values: Map<string, string> } {
  const values = new Map<string, string>()
  const entries = Object.entries(headers).filter(([name]) => !ownHeaders.test(name))
  const sent = Object.fromEntries(
    entries.map(([name, given]) => {
      let value = given
      for (const secret of grants.secrets) {
        const reference = secretReference(secret.name)
        if (!value.includes(reference)) continue
        if (!isListedHost(url, secret.hosts))
          throw new RuntimeError('forbidden', `http.fetch: the secret ${secret.name} is not for ${url.host}`)
        const known = secretOf(plugin, secret.name)
        if (known === undefined)
          throw new RuntimeError(
            'unavailable',
            `http.fetch: the secret ${secret.name} is not set; set it with: keel plugin secret ${plugin} ${secret.name}`,
          )
        values.set(known, reference)
        value = value.replaceAll(reference, () => known)
      }
      return [name, value]
    }),
  )
  return { sent, values }
}

function hideValues(text: string, values: ReadonlyMap<string, string>): string {
  let hidden = text
  for (const [value, reference] of values) hidden = hidden.replaceAll(value, () => reference)
  return hidden
}

/** A private address that the manifest spells out, so that who granted it saw it; a name could come to mean one. */
function isPlainlyPrivate(host: string): boolean {
  const name = host.replace(/:\d+$/, '')
  return name === 'localhost' || isIP(name) !== 0
}
