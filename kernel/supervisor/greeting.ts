import { parseMessage } from '#sdk/rpc/message.ts'
import { fingerprint } from '#sdk/service.ts'
import type { ServiceSpec } from './spec.ts'

/** Why the first frame of a child is no greeting of the service it should be; `undefined` when it is one. */
export function refusalOf(
  frame: string,
  { contract, kernel }: Pick<ServiceSpec, 'contract' | 'kernel'>,
): string | undefined {
  const message = parseMessage(frame)
  if (message?.kind !== 'notice' || message.method !== '$/hello')
    return `the first message of ${contract.name} is not its greeting`
  const { name, fingerprint: print } = message.params
  if (name !== contract.name) return `the process greets as ${quoted(name)}, not as ${contract.name}`
  if (print !== fingerprint(contract, kernel.contract))
    return `${contract.name} was built for another version of Keel; restart Keel after an upgrade`
  return undefined
}

const longestQuote = 64

function quoted(value: unknown): string {
  return JSON.stringify(String(value).slice(0, longestQuote))
}
