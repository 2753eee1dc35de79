/*
 * A reply carries the mails before it along, and a signature: what was written anew is what counts.
 */

/** Outlook's heading of the mail that is answered, whose names are in the language of whoever answers. */
const originalHeading = /^(-{3,} ?.{1,40} ?-{3,}|_{20,})$/
const headerLine = /^\*?\p{L}[\p{L} -]{1,20}:\*? .+/u
const fromLine = /^\*?\p{L}{2,12}:\*? .*\S@\S/u
/** What is longer is no heading. */
const maxHeadingLength = 200
/** Within so many lines the heading is over. */
const maxHeadingLines = 12
/** Lines of that heading: from, sent, to, subject. */
const leastHeaderLines = 3
/** An attribution (`On … wrote:`) may be broken over so many lines. */
const maxAttributionLines = 3
const deviceLine =
  /^(sent|get|gesendet|envoyé|enviado|inviato) .{0,20}\b(from|outlook|von|depuis|de|desde|da)\b.{0,60}$/i

/** Without the quoted end and the signature; as it is where nothing would be left. */
export function writtenText(text: string): string {
  const lines = text.replace(/\r\n?/g, '\n').split('\n')
  const own = withoutSignature(withoutQuotedEnd(withoutOriginal(lines)))
  const written = own.join('\n').trim()
  return written === '' ? text.trim() : written
}

function withoutOriginal(lines: readonly string[]): readonly string[] {
  const at = lines.findIndex((line, index) => {
    if (line.length > maxHeadingLength) return false
    const heading = originalHeading.test(line.trim())
    // Elsewhere such lines are what somebody filled in: only a heading begins with whom a mail is from.
    if (!heading && !fromLine.test(line.trim())) return false
    const from = heading ? index + 1 : index
    const following = lines.slice(from, from + maxHeadingLines).filter((each) => each.trim() !== '')
    return (
      following.slice(0, leastHeaderLines).filter((each) => headerLine.test(each.trim())).length >= leastHeaderLines
    )
  })
  return at === -1 ? lines : lines.slice(0, at)
}

/** Quotations between which something was written stay: they say what it is about. */
function withoutQuotedEnd(lines: readonly string[]): readonly string[] {
  const end = lines.findLastIndex((line) => line.trim() !== '' && !line.startsWith('>'))
  if (!lines.slice(end + 1).some((line) => line.startsWith('>'))) return lines
  if (!lines[end]?.trim().endsWith(':')) return lines.slice(0, end + 1)
  const above = lines.slice(0, end).findLastIndex((line) => line.trim() === '')
  return lines.slice(0, Math.max(above + 1, end + 1 - maxAttributionLines))
}

function withoutSignature(lines: readonly string[]): readonly string[] {
  const at = lines.findIndex((line) => line === '-- ' || line === '--')
  const kept = at === -1 ? lines : lines.slice(0, at)
  const last = kept.findLastIndex((line) => line.trim() !== '')
  return deviceLine.test(kept[last]?.trim() ?? '') ? kept.slice(0, last) : kept
}
