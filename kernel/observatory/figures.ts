/*
 * Numbers as tips and recommendations say them.
 */

/** Of a fraction, without decimals. */
export function percent(fraction: number): string {
  return `${(fraction * 100).toFixed(0)}%`
}

export function dollars(amount: number): string {
  return `$${amount.toFixed(4)}`
}

export function count(amount: number, one: string, many = `${one}s`): string {
  return `${amount} ${amount === 1 ? one : many}`
}
