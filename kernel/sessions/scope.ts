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

/** `agent`, `peer:<channel>:<peer>` or `group:<channel>:<group>`: whose conversation a message belongs to. */
export function resolveScope(request: ScopeRequest): string {
  const { scope_mode, group_id, is_group } = request
  if (scope_mode === 'agent') return 'agent'
  const channel = channelName(request.channel)
  const peer = request.peer_id ?? request.sender_id
  if (scope_mode === 'group' && group_id !== undefined) return `group:${channel}:${group_id}`
  if (scope_mode === 'group' && is_group)
    throw new RuntimeError('invalid', 'group_id is required when is_group is true')
  if (peer === undefined) {
    throw new RuntimeError('invalid', `peer_id or sender_id is required when session.scope_mode is ${scope_mode}`)
  }
  return `peer:${channel}:${peer}`
}

function channelName(given: string | undefined): string {
  const name = (given ?? 'web').trim().toLowerCase()
  if (name === '') throw new RuntimeError('invalid', 'channel must not be empty')
  if (Buffer.byteLength(name) > maxChannelBytes)
    throw new RuntimeError('invalid', `channel exceeds max length (${maxChannelBytes})`)
  if (/\p{Cc}/u.test(name)) throw new RuntimeError('invalid', 'channel must not contain control characters')
  return name
}
