export interface MetricFamily {
  type: string
  help: string
  samples: { name: string; labels: Record<string, string>; value: number }[]
}

const nameShape = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
/** The library writes `Nan`, which Prometheus reads in any case. */
const sampleShape = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (NaN|Nan|[+-]?(?:Inf|[0-9.eE+-]+))$/
const labelShape = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/gy
const suffixes: Record<string, string[]> = { histogram: ['_bucket', '_sum', '_count'], summary: ['', '_sum', '_count'] }

/** Reads the text format of Prometheus strictly: whatever is not in it, or said twice, is an error that quotes the line. */
export function readMetrics(text: string): Map<string, MetricFamily> {
  if (!text.endsWith('\n')) throw new Error('The last line has no end')
  const families = new Map<string, MetricFamily>()
  const seen = new Set<string>()
  for (const line of text.split('\n')) {
    if (line === '') continue
    const [, comment, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? []
    if (comment !== undefined) {
      if (!nameShape.test(name)) throw new Error(`Not a name: ${line}`)
      const family = families.get(name) ?? { type: '', help: '', samples: [] }
      families.set(name, family)
      if (comment === 'HELP') family.help = rest
      else if (family.type !== '') throw new Error(`Said twice: ${line}`)
      else family.type = rest
      continue
    }
    const [, sampled = '', labels = '', value = ''] = sampleShape.exec(line) ?? []
    if (sampled === '') throw new Error(`Not a sample: ${line}`)
    const family = [...families].find(([known, { type }]) =>
      (suffixes[type] ?? ['']).some((suffix) => known + suffix === sampled),
    )?.[1]
    if (!family) throw new Error(`Of no declared family: ${line}`)
    const series = line.slice(0, line.lastIndexOf(' '))
    if (seen.has(series)) throw new Error(`Said twice: ${line}`)
    seen.add(series)
    family.samples.push({ name: sampled, labels: labelsOf(labels), value: numberOf(value) })
  }
  return families
}

/** The value of the one series with exactly these labels; undefined where there is none. */
export function figureOf(
  families: Map<string, MetricFamily>,
  name: string,
  labels: Record<string, string> = {},
): number | undefined {
  const all = [...families.values()].flatMap(({ samples }) => samples)
  return all.find((sample) => {
    if (sample.name !== name || Object.keys(sample.labels).length !== Object.keys(labels).length) return false
    return Object.entries(labels).every(([key, value]) => sample.labels[key] === value)
  })?.value
}

function labelsOf(text: string): Record<string, string> {
  const labels: Record<string, string> = {}
  labelShape.lastIndex = 0
  let end = 0
  for (let found = labelShape.exec(text); found; found = labelShape.exec(text)) {
    const [, name = '', value = ''] = found
    if (name in labels) throw new Error(`A label is there twice: ${text}`)
    labels[name] = value.replaceAll(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped))
    end = labelShape.lastIndex
  }
  if (end !== text.length) throw new Error(`Not labels: ${text}`)
  return labels
}

function numberOf(text: string): number {
  const value = text.endsWith('Inf') ? (text.startsWith('-') ? -Infinity : Infinity) : Number(text)
  if (Number.isNaN(value) && !/^nan$/i.test(text)) throw new Error(`Not a number: ${text}`)
  return value
}
