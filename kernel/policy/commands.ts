import type { Authority } from '#sdk/services/agent.ts'
import { authorityAtLeast } from './authority.ts'

export type Command =
  | { name: 'help' | 'status' | 'models' | 'retry' | 'new' | 'stop' }
  | { name: 'model'; action: 'show' | 'reset' }
  | { name: 'model'; action: 'set'; model: string }
  | { name: 'breaker'; action: 'show' }
  | { name: 'breaker'; action: 'reset'; provider: string | null }
  | { name: 'approve' | 'deny'; id: string }

/** `/name`, `/name@bot`, and what follows. */
const pattern = /^\/([a-z]{1,16})(?:@\w{1,64})?(?:\s+(.*))?$/is
/** A model or a provider; a sentence is none, and is for the model. */
const word = /^\S{1,256}$/
/** Of a request for an approval. */
const requestId = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** The command that a message is, or null: any other message, also one with a slash, is for the model. */
export function parseCommand(text: string): Command | null {
  const match = pattern.exec(text.trim())
  const [name, rest = ''] = [match?.[1]?.toLowerCase(), match?.[2]?.trim()]
  switch (name) {
    case 'help':
    case 'status':
    case 'models':
    case 'retry':
    case 'new':
    case 'stop':
      return rest === '' ? { name } : null
    case 'model':
      if (rest === '') return { name, action: 'show' }
      if (/^(?:reset|clear)$/i.test(rest)) return { name, action: 'reset' }
      return word.test(rest) ? { name, action: 'set', model: rest } : null
    case 'breaker': {
      if (rest === '') return { name, action: 'show' }
      const reset = /^reset(?:\s+(\S{1,256}))?$/i.exec(rest)
      return reset ? { name, action: 'reset', provider: reset[1] ?? null } : null
    }
    case 'approve':
    case 'deny':
      return requestId.test(rest) ? { name, id: rest.toLowerCase() } : null
    default:
      return null
  }
}

/** The least authority for a command. */
export function requiredAuthority(command: Command): Authority {
  if (command.name === 'status') return 'Peer'
  if (command.name === 'approve' || command.name === 'deny') return 'Creator'
  if (command.name === 'model' && command.action !== 'show') return 'Creator'
  if (command.name === 'breaker' && command.action === 'reset') return 'Creator'
  return 'External'
}

/** What a sender without that authority is told, or null where it suffices. */
export function refusalOf(command: Command, authority: Authority): string | null {
  const required = requiredAuthority(command)
  return authorityAtLeast(authority, required) ? null : `/${command.name} requires ${required} authority.`
}
