import { z } from 'zod'
import { get } from '../route.ts'
import { clampedInteger } from './query.ts'
import { revenue } from './revenue.ts'
import { count, dollars, fraction, jsonObject, time } from './values.ts'

export const walletToken = z.object({
  symbol: z.string(),
  name: z.string(),
  balance: z.number(),
  formatted: z.string(),
  contract: z.string().nullable(),
  decimals: count,
  is_native: z.boolean(),
})

export const treasury = z.object({
  per_payment_cap: dollars,
  daily_inference_budget: dollars,
  minimum_reserve: dollars,
  hourly_transfer_limit: dollars,
  daily_transfer_limit: dollars,
  revenue_swap: z.object({
    enabled: z.boolean(),
    target_symbol: z.string(),
    default_chain: z.string(),
    chains: z.array(
      z.object({
        chain: z.string(),
        target_contract_address: z.string(),
        swap_contract_address: z.string().nullable(),
      }),
    ),
  }),
})

export const walletBalance = z.object({
  /** USDC as text with two decimals, `12.34`. */
  balance: z.string(),
  currency: z.literal('USDC'),
  address: z.string(),
  chain_id: z.int(),
  network: z.string(),
  tokens: z.array(walletToken),
  usdc_balance: z.number(),
  credit_balance: dollars,
  treasury,
  self_funding: z.object({
    tax: z.object({ enabled: z.boolean(), rate: fraction, destination_wallet: z.string().nullable() }),
  }),
  spending: z.object({ inference_today: dollars, transfers_last_hour: dollars, transfers_today: dollars }),
  ...revenue.shape,
  updated_at: time.nullable(),
  /** The figures are older than they should be. */
  stale: z.boolean(),
  error: z.string().nullable(),
  note: z.string().optional(),
})

export const walletRoutes = {
  getWalletBalance: get('/api/wallet/balance', { summary: 'USDC + credit balance', response: walletBalance }),
  getWalletAddress: get('/api/wallet/address', {
    summary: 'Wallet address',
    response: z.object({
      /** EIP-55; empty without a wallet. */
      address: z.string(),
      chain_id: z.int(),
      network: z.string(),
      note: z.string().optional(),
    }),
  }),
  listSwaps: get('/api/services/swaps', {
    summary: 'List revenue swap tasks',
    query: z.object({ limit: clampedInteger(50, 1, 500) }),
    response: z.object({ swap_tasks: z.array(jsonObject) }),
  }),
  listTaxPayouts: get('/api/services/tax-payouts', {
    summary: 'List tax payout tasks',
    query: z.object({ limit: clampedInteger(50, 1, 500) }),
    response: z.object({ tax_tasks: z.array(jsonObject) }),
  }),
}
