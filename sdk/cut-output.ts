/** Cuts a text at so many bytes of UTF-8, note included, never within a character. */
export function cutOutput(text: string, maxBytes: number): string {
  const size = Buffer.byteLength(text)
  if (size <= maxBytes) return text
  const note = `\n(cut here; the full output has ${size} bytes)`
  const bytes = Buffer.from(text)
  let end = maxBytes - Buffer.byteLength(note)
  // A byte 10xxxxxx continues a character.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--
  return bytes.toString('utf8', 0, end) + note
}
