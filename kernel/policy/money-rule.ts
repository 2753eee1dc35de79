import type { PolicySettings, ToolUse } from './rules.ts'

const moneyTool = /transfer|send|withdraw|deposit|payment|wallet/i
const forbiddenKeys = new Set(['drain', 'withdraw_all', 'export_private_key', 'set_wallet_path'])
/** What one unit of each is worth in dollars. */
const amountKeys = new Map([
  ['amount', 1],
  ['amount_dollars', 1],
  ['dollars', 1],
  ['value', 1],
  ['amount_cents', 0.01],
  ['cents', 0.01],
  ['value_cents', 0.01],
])

/** Denies a tool that moves money what empties or hands over a wallet, and amounts over the cap, however deep they lie. */
export function deniesMoney({ tool, input }: ToolUse, { per_payment_cap }: PolicySettings): string | null {
  if (!moneyTool.test(tool.name)) return null
  const waiting: unknown[] = [input]
  for (let value = waiting.pop(); value !== undefined; value = waiting.pop()) {
    if (typeof value !== 'object' || value === null) continue
    for (const [name, part] of Object.entries(value)) {
      const key = name.toLowerCase()
      if (forbiddenKeys.has(key)) return `'${key}' is never allowed`
      const reason = deniesAmount(key, part, per_payment_cap)
      if (reason !== null) return reason
      waiting.push(part ?? null)
    }
  }
  return null
}

function deniesAmount(key: string, given: unknown, cap: number): string | null {
  const dollarsEach = amountKeys.get(key)
  if (dollarsEach === undefined || given === null || given === undefined) return null
  const amount = readAmount(given)
  if (amount === null) {
    // Many things are called a value; what has letters in it, or parts of its own, is another kind.
    const otherKind = key === 'value' && (typeof given === 'object' || /\p{L}/u.test(String(given)))
    return otherKind ? null : `'${key}' can not be read as an amount`
  }
  const dollars = Math.abs(amount) * dollarsEach
  return dollars > cap ? `$${dollars} is over the cap of $${cap} a payment` : null
}

/** Infinity is an amount: `1e999` is valid JSON. */
function readAmount(given: unknown): number | null {
  if (typeof given === 'number') return Number.isNaN(given) ? null : given
  if (typeof given !== 'string' || given.trim() === '') return null
  const amount = Number(given)
  return Number.isNaN(amount) ? null : amount
}
