import { RuntimeError } from '#sdk/errors.ts'

export interface ScopeRequest {
  scope_mode: 'agent' | 'peer' | 'group'
  channel?: string | undefined
  sender_id?: string | undefined
  peer_id?: string | undefined
  group_id?: string | undefined
  is_group?: boolean | undefined
}

const maxChannelBytes = 256

/**
 * `agent`, `peer:<channel>:<peer>` or `group:<channel>:<group>`: whose conversation a message belongs to. `invalid` when
 * the channel is no name, or nothing says whose it is.
 */
export function resolveScope(request: ScopeRequest): string {
  const { scope_mode, is_group } = request
  const channel = channelName(request.channel)
  if (scope_mode === 'agent') return 'agent'
  const group = present(request.group_id)
  const peer = present(request.peer_id) ?? present(request.sender_id)
  if (scope_mode === 'group' && group !== undefined) return `group:${keyPart(channel)}:${group}`
  if (scope_mode === 'group' && is_group)
    throw new RuntimeError('invalid', 'group_id is required when is_group is true')
  if (peer === undefined) {
    throw new RuntimeError('invalid', `peer_id or sender_id is required when session.scope_mode is ${scope_mode}`)
  }
  return `peer:${keyPart(channel)}:${peer}`
}

function channelName(given: string | undefined): string {
  const name = (given ?? 'web').trim().toLowerCase()
  if (name === '') throw new RuntimeError('invalid', 'channel must not be empty')
  if (Buffer.byteLength(name) > maxChannelBytes)
    throw new RuntimeError('invalid', `channel exceeds max length (${maxChannelBytes})`)
  if (/\p{Cc}/u.test(name)) throw new RuntimeError('invalid', 'channel must not contain control characters')
  return name
}

/** A blank id names nobody; taken for a name, it would join strangers in one conversation. */
function present(id: string | undefined): string | undefined {
  return id === undefined || id.trim() === '' ? undefined : id
}

/** Ids may hold a colon, so the channel before them may not: else `a:b` with `c` would be `a` with `b:c`. */
function keyPart(channel: string): string {
  return channel.replaceAll('%', '%25').replaceAll(':', '%3a')
}
