/** The ledger counts billionths of a dollar: sums of fractions would drift with every call that is added and taken off. */
const perDollar = 1e9

export function toNanodollars(dollars: number): number {
  return Math.round(dollars * perDollar)
}

/** For what may not be told too low. */
export function toNanodollarsAtLeast(dollars: number): number {
  return Math.ceil(dollars * perDollar)
}

export function toDollars(nanodollars: number): number {
  return nanodollars / perDollar
}
