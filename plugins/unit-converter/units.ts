/** A unit as so many of its kind's base, and for temperatures where its zero lies. */
interface Unit {
  kind: string
  names: string[]
  factor: number
  offset?: number
}

/** Base units: metre, kilogram, kelvin, litre, metre a second, byte. */
const units: readonly Unit[] = [
  { kind: 'length', names: ['m', 'meter', 'metre'], factor: 1 },
  { kind: 'length', names: ['km', 'kilometer', 'kilometre'], factor: 1_000 },
  { kind: 'length', names: ['cm', 'centimeter', 'centimetre'], factor: 0.01 },
  { kind: 'length', names: ['mm', 'millimeter', 'millimetre'], factor: 0.001 },
  { kind: 'length', names: ['in', 'inch'], factor: 0.0254 },
  { kind: 'length', names: ['ft', 'foot', 'feet'], factor: 0.3048 },
  { kind: 'length', names: ['yd', 'yard'], factor: 0.9144 },
  { kind: 'length', names: ['mi', 'mile'], factor: 1_609.344 },
  { kind: 'length', names: ['nmi', 'nautical mile'], factor: 1_852 },
  { kind: 'mass', names: ['kg', 'kilogram'], factor: 1 },
  { kind: 'mass', names: ['g', 'gram'], factor: 0.001 },
  { kind: 'mass', names: ['mg', 'milligram'], factor: 0.000001 },
  { kind: 'mass', names: ['t', 'tonne'], factor: 1_000 },
  { kind: 'mass', names: ['lb', 'pound'], factor: 0.45359237 },
  { kind: 'mass', names: ['oz', 'ounce'], factor: 0.028349523125 },
  { kind: 'temperature', names: ['k', 'kelvin'], factor: 1 },
  { kind: 'temperature', names: ['°c', 'c', 'celsius'], factor: 1, offset: 273.15 },
  { kind: 'temperature', names: ['°f', 'f', 'fahrenheit'], factor: 5 / 9, offset: 459.67 * (5 / 9) },
  { kind: 'volume', names: ['l', 'liter', 'litre'], factor: 1 },
  { kind: 'volume', names: ['ml', 'milliliter', 'millilitre'], factor: 0.001 },
  { kind: 'volume', names: ['m3', 'm³', 'cubic meter', 'cubic metre'], factor: 1_000 },
  { kind: 'volume', names: ['gal', 'gallon'], factor: 3.785411784 },
  { kind: 'volume', names: ['pt', 'pint'], factor: 0.473176473 },
  { kind: 'volume', names: ['cup'], factor: 0.2365882365 },
  { kind: 'speed', names: ['m/s'], factor: 1 },
  { kind: 'speed', names: ['km/h', 'kph'], factor: 1 / 3.6 },
  { kind: 'speed', names: ['mph'], factor: 0.44704 },
  { kind: 'speed', names: ['kn', 'knot'], factor: 1_852 / 3_600 },
  { kind: 'data', names: ['b', 'byte'], factor: 1 },
  { kind: 'data', names: ['kb', 'kilobyte'], factor: 1_000 },
  { kind: 'data', names: ['mb', 'megabyte'], factor: 1_000_000 },
  { kind: 'data', names: ['gb', 'gigabyte'], factor: 1_000_000_000 },
  { kind: 'data', names: ['kib', 'kibibyte'], factor: 1_024 },
  { kind: 'data', names: ['mib', 'mebibyte'], factor: 1_048_576 },
  { kind: 'data', names: ['gib', 'gibibyte'], factor: 1_073_741_824 },
]

export function findUnit(name: string): Unit {
  const wanted = name.trim().toLowerCase()
  const unit = units.find(({ names }) => names.includes(wanted) || names.includes(wanted.replace(/s$/, '')))
  if (!unit) throw new Error(`There is no unit "${name}"; list_units names those there are`)
  return unit
}

export function convert(value: number, from: Unit, to: Unit): number {
  if (from.kind !== to.kind)
    throw new Error(`${from.names[0]} is a unit of ${from.kind}, and ${to.names[0]} one of ${to.kind}`)
  const base = value * from.factor + (from.offset ?? 0)
  return Number(((base - (to.offset ?? 0)) / to.factor).toPrecision(12))
}

export function unitsByKind(): Record<string, string[]> {
  const kinds: Record<string, string[]> = {}
  for (const { kind, names } of units) kinds[kind] = [...(kinds[kind] ?? []), names[0] ?? '']
  return kinds
}
