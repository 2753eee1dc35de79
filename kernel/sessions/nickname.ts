const nothing = 'Untitled'
/** Where a title is looked for, and how long one may be, in bytes. */
const maxSentenceBytes = 60
const maxNicknameBytes = 50

const greetingOrFiller =
  /^(?:(?:hey|hi|hello|yo)(?:[\s,!]+|$)|(?:can you|could you|please|i need|i want|help me)(?:[\s,]+|$))/i

/** A title by rule: the beginning of the first sentence, without one greeting or filler before it. */
export function nicknameFor(text: string): string {
  const bare = text.trim().replace(greetingOrFiller, '')
  const [first = ''] = bare.split(/[.?!\r\n]/, 1)
  // Titles are printed on terminals, where a control character is a command.
  const sentence = cutBytes(first.replace(/\p{Cc}+/gu, ' ').trim(), maxSentenceBytes).trim()
  const title =
    Buffer.byteLength(sentence) > maxNicknameBytes
      ? `${beforeLastSpace(cutBytes(sentence, maxNicknameBytes))}...`
      : sentence
  return title === '' ? nothing : title.charAt(0).toUpperCase() + title.slice(1)
}

/** The longest beginning of at most `maxBytes` bytes that ends between two characters. */
function cutBytes(text: string, maxBytes: number): string {
  let bytes = 0
  let kept = ''
  for (const character of text) {
    bytes += Buffer.byteLength(character)
    if (bytes > maxBytes) break
    kept += character
  }
  return kept
}

function beforeLastSpace(text: string): string {
  const space = text.lastIndexOf(' ')
  return space > 0 ? text.slice(0, space) : text
}
