import type { LookupAddress } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { buildConnector } from 'undici'
import { RuntimeError } from '../errors.ts'
import { isSameAddress } from './address-rules.ts'

/**
 * Connects to these addresses alone, whatever the name says by now; looks once more at where the connection ended, and
 * closes it as `forbidden` before a byte is sent when that is somewhere else.
 */
export function pinnedConnector(addresses: readonly LookupAddress[]): buildConnector.connector {
  const connect = buildConnector({ lookup: pinnedLookup(addresses), allowH2: false })
  return (options, callback) => {
    connect(options, (error, socket) => {
      if (error) return callback(error, null)
      const { remoteAddress } = socket
      if (remoteAddress !== undefined && addresses.some(({ address }) => isSameAddress(address, remoteAddress)))
        return callback(null, socket)
      socket.destroy()
      callback(new RuntimeError('forbidden', `The connection to '${options.hostname}' ended at another address`), null)
    })
  }
}

function pinnedLookup(addresses: readonly LookupAddress[]): LookupFunction {
  return (_hostname, { all }, callback) => {
    const [first] = addresses
    if (all || !first) callback(null, [...addresses])
    else callback(null, first.address, first.family)
  }
}
