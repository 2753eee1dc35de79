/** 0 where there is nothing to divide by. */
export function quotient(dividend: number, divisor: number): number {
  return divisor === 0 ? 0 : dividend / divisor
}
