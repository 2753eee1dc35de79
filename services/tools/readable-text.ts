import { htmlToText } from '#sdk/html-text.ts'

const textTypes = /^(text\/.+|application\/(.+\+)?(json|xml|yaml|javascript|toml|x-ndjson)|image\/svg\+xml)$/

export interface ReadableText {
  text: string
  /** The words of a page in HTML; its scripts, styles and pictures are left out. */
  reduced: boolean
}

/** A text as it is and a page as its words, or undefined when the body is no text. */
export function readableText(body: Buffer, contentType: string | null): ReadableText | undefined {
  const [type = '', ...parameters] = (contentType ?? '').toLowerCase().split(';')
  const mediaType = type.trim()
  if (mediaType === '' ? body.includes(0) : !isText(mediaType)) return undefined
  const charset = parameters.find((parameter) => parameter.trim().startsWith('charset='))
  const text = decoder(charset?.split('=')[1]).decode(body)
  const reduced = mediaType === 'text/html' || mediaType === 'application/xhtml+xml'
  return { text: reduced ? htmlToText(text) : text, reduced }
}

function isText(mediaType: string): boolean {
  return textTypes.test(mediaType)
}

/** A decoder that puts a mark in place of what it can not read; UTF-8 unless the answer names another it knows. */
function decoder(charset = 'utf-8'): TextDecoder {
  try {
    return new TextDecoder(charset.trim().replaceAll('"', ''))
  } catch {
    return new TextDecoder()
  }
}
