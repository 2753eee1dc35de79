// Groups log lines of one shape: numbers, ids, addresses, times and quoted texts are what differs.
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'

const severities = ['trace', 'debug', 'info', 'warn', 'error', 'fatal']
const maxSample = 300

function usage(message) {
  console.error(`${message}\nUsage: group.mjs [--top N] [--level ${severities.join('|')}] [FILE]`)
  process.exit(2)
}

let options
try {
  options = parseArgs({
    options: { top: { type: 'string', default: '20' }, level: { type: 'string', default: 'trace' } },
    allowPositionals: true,
  })
} catch (error) {
  usage(error.message)
}
const { values, positionals } = options
const top = Number(values.top)
if (!Number.isInteger(top) || top < 1) usage('--top: expected a whole number')
if (!severities.includes(values.level)) usage('--level: there is no such severity')

function parse(line) {
  if (line.startsWith('{')) {
    try {
      const entry = JSON.parse(line)
      const message = String(entry.msg ?? entry.message ?? line)
      return { message, level: levelOf(String(entry.level ?? '')), time: entry.time ?? entry.timestamp ?? entry.ts }
    } catch {
      // A line that only looks like JSON is text.
    }
  }
  const time = /\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?|\b\w{3} +\d+ \d\d:\d\d:\d\d/.exec(
    line,
  )?.[0]
  return { message: time ? line.replace(time, '').trim() : line, level: levelOf(line), time }
}

function levelOf(text) {
  const lower = text.toLowerCase()
  if (/\b(fatal|panic|critical|emerg)\b/.test(lower)) return 'fatal'
  if (/\b(error|err|exception|failed|failure)\b/.test(lower)) return 'error'
  if (/\b(warn|warning)\b/.test(lower)) return 'warn'
  if (/\bdebug\b/.test(lower)) return 'debug'
  return /\btrace\b/.test(lower) ? 'trace' : 'info'
}

function shapeOf(message) {
  return message
    .replaceAll(/"[^"]*"|'[^']*'/g, '"…"')
    .replaceAll(/\b[0-9a-f]{8}-[0-9a-f-]{27}\b/gi, '<id>')
    .replaceAll(/\b0x[0-9a-f]+\b|\b[0-9a-f]{12,}\b/gi, '<hex>')
    .replaceAll(/\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b/g, '<address>')
    .replaceAll(/\d+(?:[.,]\d+)*/g, '<n>')
}

let text
try {
  text = readFileSync(positionals[0] ?? 0, 'utf8')
} catch (error) {
  usage(`The log can not be read: ${error.message}`)
}
const groups = new Map()
let lines = 0
for (const line of text.split('\n')) {
  if (line.trim() === '') continue
  lines++
  const { message, level, time } = parse(line.trim())
  const shape = shapeOf(message)
  const group = groups.get(shape) ?? { shape, count: 0, level, first: time, sample: message.slice(0, maxSample) }
  group.count++
  group.last = time ?? group.last
  if (severities.indexOf(level) > severities.indexOf(group.level)) group.level = level
  groups.set(shape, group)
}
if (lines === 0) usage('The log is empty.')

const least = severities.indexOf(values.level)
const shown = [...groups.values()]
  .filter(({ level }) => severities.indexOf(level) >= least)
  .sort((a, b) => severities.indexOf(b.level) - severities.indexOf(a.level) || b.count - a.count)
console.log(`${lines} lines in ${groups.size} shapes`)
for (const { level, count, first, last, sample } of shown.slice(0, top)) {
  const span = first === undefined ? '' : ` [${first}${last === first ? '' : ` … ${last}`}]`
  console.log(`${level} ×${count}${span} ${sample}`)
}
if (shown.length > top) console.log(`and ${shown.length - top} more shapes`)
