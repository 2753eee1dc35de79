/*
 * Anyone can write any From. Whether a message is from where it says is known to the server that took it in: it looks
 * the sending domain's keys and policy up, and writes what it found into an Authentication-Results header (RFC 8601)
 * above all that came with the message. What the message itself brought along under that name says nothing, so only the
 * topmost of the server that the operator has named counts; a server that writes none proves nothing.
 */

const maxHeaderLength = 16_384
const maxResults = 50
/** Stands for whichever server has written the topmost header: for one that does not name itself, and always writes it. */
const topmost = '*'

interface Result {
  method: string
  result: string
  /** `header.from` and the like, in lower case. */
  properties: Map<string, string>
}

/**
 * Whether the receiving server found the message to be from this domain: DMARC passed for it, or, where the domain has no
 * such policy, it was signed by the domain or one above it. A domain below does not speak for it.
 */
export function provesDomain(headers: readonly string[], domain: string, server: string): boolean {
  const parsed = headers.map(parseResults)
  const counts =
    server === topmost
      ? parsed[0]
      : // One that can not be read may be the server's own: what stands below it was brought along.
        parsed.find((each) => each === null || each.server === server.toLowerCase())
  if (!counts) return false
  const dmarc = counts.results.filter(({ method, result }) => method === 'dmarc' && result !== 'none')
  if (dmarc.length > 0) {
    return dmarc.every(
      ({ result, properties }) => result === 'pass' && properties.get('header.from')?.split('@').at(-1) === domain,
    )
  }
  return counts.results.some(({ method, result, properties }) => {
    const signer = properties.get('header.d') ?? properties.get('header.i')?.split('@').at(-1)
    return method === 'dkim' && result === 'pass' && signer !== undefined && isWithin(domain, signer)
  })
}

function isWithin(domain: string, signer: string): boolean {
  return domain === signer || (signer.includes('.') && domain.endsWith(`.${signer}`))
}

/** null for what is not written as it should be, which then proves nothing. */
function parseResults(header: string): { server: string; results: Result[] } | null {
  if (header.length > maxHeaderLength) return null
  const fields = splitOutside(header)
  if (fields === null) return null
  const [first = '', ...rest] = fields
  const [server = ''] = first.trim().split(/\s+/)
  // Some servers do not name themselves, and begin with the first result.
  const named = !server.includes('=')
  const results = (named ? rest : fields).slice(0, maxResults).flatMap(readResult)
  return { server: named ? server.toLowerCase() : '', results }
}

function readResult(field: string): Result[] {
  const [first = '', ...rest] = field.trim().split(/\s+/)
  const [, method, result] = /^([a-z0-9-]+)(?:\/\d+)?=([a-z]+)$/.exec(first.toLowerCase()) ?? []
  if (method === undefined || result === undefined) return []
  const properties = new Map<string, string>()
  for (const each of rest) {
    const [, name, value] = /^([a-z]+\.[a-z0-9-]+)=([^=\s]+)$/.exec(each.toLowerCase()) ?? []
    if (name !== undefined && value !== undefined && !properties.has(name)) properties.set(name, value)
  }
  return [{ method, result, properties }]
}

/**
 * At its semicolons, without comments and with quoted texts made empty: both may hold what the sender wrote. null where
 * one is left open, or stands where it would change what is around it.
 */
function splitOutside(header: string): string[] | null {
  const fields = ['']
  let comments = 0
  let quoted = false
  for (let at = 0; at < header.length; at++) {
    const character = header.charAt(at)
    if (character === '\\') {
      if (comments === 0 && !quoted) return null
      at++
    } else if (quoted) quoted = character !== '"'
    else if (character === '(') comments++
    else if (character === ')') {
      if (--comments < 0) return null
      fields.push(`${fields.pop()} `)
    } else if (comments > 0) continue
    else if (character === '"') quoted = true
    else if (character === ';') fields.push('')
    else fields.push(fields.pop() + character)
  }
  return comments > 0 || quoted ? null : fields
}
