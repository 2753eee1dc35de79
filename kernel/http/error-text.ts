const maxServerTextChars = 200
const maxClientTextChars = 1_000
const redacted = '[details redacted]'

/** From the first of these on, a text speaks of the inside of the machine. */
const innerMarkers = [
  'at /',
  'SQLITE_',
  'ECONNREFUSED',
  'Connection refused',
  'constraint failed',
  'no such table',
  'no such column',
  'UNIQUE constraint',
  'FOREIGN KEY constraint',
  'NOT NULL constraint',
]

/** The text of a 5xx: its first line, without what would tell about paths, SQL or sockets. */
export function serverErrorText(message: string): string {
  const line = (message.split(/[\r\n]/, 1)[0] ?? '').replace(/^(database|wallet|sqlite) error:\s*/i, '')
  const found = innerMarkers.map((marker) => line.indexOf(marker)).filter((index) => index >= 0)
  const told = found.length > 0 ? `${line.slice(0, Math.min(...found))}${redacted}` : line
  return told.length > maxServerTextChars ? `${told.slice(0, maxServerTextChars)}...` : told
}

/** The text of a 4xx is written for the caller; it may quote what the caller sent, so it is only cut. */
export function clientErrorText(message: string): string {
  return message.length > maxClientTextChars ? `${message.slice(0, maxClientTextChars)}...` : message
}
