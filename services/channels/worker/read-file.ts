import type { Client } from '#sdk/service.ts'
import type { AdapterHost } from '../adapter.ts'
import type { hostForAdapter } from '../adapter-contract.ts'

/** The bytes of a file to be sent, asked for piece by piece as they are used. */
export function readFileFrom(host: Pick<Client<typeof hostForAdapter>, 'readFile'>): AdapterHost['readFile'] {
  return async function* ({ delivery_id, index }) {
    for (let offset = 0; ; ) {
      const bytes = Buffer.from((await host.readFile({ delivery_id, index, offset })).data, 'base64')
      if (bytes.length === 0) return
      yield bytes
      offset += bytes.length
    }
  }
}
