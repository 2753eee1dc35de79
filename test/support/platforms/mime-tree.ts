/** A message as IMAP names its parts. */
export interface MimeTree {
  /** `multipart/mixed` and the like, in lower case. */
  type: string
  parameters: Record<string, string>
  encoding: string
  disposition: string | null
  filename: string | null
  /** With the empty line that ends it. */
  header: Buffer
  body: Buffer
  children: MimeTree[]
}

export function readMime(raw: Buffer): MimeTree {
  const end = raw.indexOf('\r\n\r\n')
  const header = end === -1 ? raw : raw.subarray(0, end + 4)
  const body = end === -1 ? Buffer.alloc(0) : raw.subarray(end + 4)
  const unfolded = header.toString('latin1').replace(/\r\n[ \t]+/g, ' ')
  const field = (name: string) => new RegExp(`^${name}:[ \\t]*(.*)$`, 'im').exec(unfolded)?.[1]?.trim() ?? ''
  const parameter = (value: string, name: string) =>
    new RegExp(`;\\s*${name}="?([^";]*)"?`, 'i').exec(value)?.[1] ?? null
  const contentType = field('Content-Type')
  const type = (contentType.split(';')[0] ?? '').trim().toLowerCase() || 'text/plain'
  const disposition = field('Content-Disposition')
  const boundary = parameter(contentType, 'boundary')
  const charset = parameter(contentType, 'charset')
  return {
    type,
    parameters: charset === null ? {} : { charset },
    encoding: field('Content-Transfer-Encoding').toLowerCase() || '7bit',
    disposition: (disposition.split(';')[0] ?? '').trim().toLowerCase() || null,
    filename: parameter(disposition, 'filename') ?? parameter(contentType, 'name'),
    header,
    body,
    children: type.startsWith('multipart/') && boundary !== null ? partsOf(body, boundary).map(readMime) : [],
  }
}

function partsOf(body: Buffer, boundary: string): Buffer[] {
  const text = `\r\n${body.toString('latin1')}`
  const pieces = text.split(`\r\n--${boundary}`).slice(1)
  return pieces
    .filter((piece) => !piece.startsWith('--'))
    .map((piece) => Buffer.from(piece.slice(piece.indexOf('\r\n') + 2), 'latin1'))
}

/** `HEADER`, `TEXT`, `1.2`, `1.2.MIME`, or the whole where it is empty; null where there is none. */
export function sectionOf(raw: Buffer, section: string): Buffer | null {
  const whole = readMime(raw)
  if (section === '') return raw
  if (section === 'HEADER') return whole.header
  if (section === 'TEXT') return whole.body
  const [, numbers = '', mime] = /^(\d+(?:\.\d+)*)(\.MIME)?$/.exec(section) ?? []
  let part: MimeTree | undefined = whole
  for (const number of numbers.split('.')) {
    // The body of what has no parts is its first.
    if (part?.children.length === 0) part = number === '1' ? part : undefined
    else part = part?.children[Number(number) - 1]
  }
  return part ? (mime ? part.header : part.body) : null
}

export function bodyStructure(tree: MimeTree): string {
  const [family = '', subtype = ''] = tree.type.split('/')
  const disposition =
    tree.disposition === null
      ? 'NIL'
      : `(${quoted(tree.disposition)} ${tree.filename === null ? 'NIL' : `("filename" ${quoted(tree.filename)})`})`
  if (tree.children.length > 0) {
    return `(${tree.children.map(bodyStructure).join('')} ${quoted(subtype)} NIL ${disposition} NIL NIL)`
  }
  const parameters = Object.entries(tree.parameters).map(([name, value]) => `${quoted(name)} ${quoted(value)}`)
  const size = tree.body.length
  const lines = tree.body.toString('latin1').split('\n').length
  const fields = [
    quoted(family),
    quoted(subtype),
    parameters.length === 0 ? 'NIL' : `(${parameters.join(' ')})`,
    'NIL NIL',
    quoted(tree.encoding),
    size,
  ]
  if (tree.type === 'message/rfc822') {
    fields.push(`(${Array(10).fill('NIL').join(' ')})`, bodyStructure(readMime(tree.body)), lines)
  } else if (family === 'text') fields.push(lines)
  return `(${[...fields, 'NIL', disposition, 'NIL NIL'].join(' ')})`
}

function quoted(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&').replace(/[\r\n]/g, ' ')}"`
}
