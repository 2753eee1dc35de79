import { z } from 'zod'
import {
  flag,
  fraction,
  integer,
  number,
  optionalText,
  requiredText,
  section,
  table,
  tableList,
  text,
} from '../fields.ts'

const positive = z.number('expected a number above 0').positive('expected a number above 0')

/** Dollars. */
export const treasury = section({
  per_payment_cap: positive.default(100),
  hourly_transfer_limit: number(500),
  daily_transfer_limit: number(2_000),
  minimum_reserve: number(5),
  daily_inference_budget: number(50),
  revenue_swap: section({
    // Without a chain to swap on there is nothing to enable.
    enabled: flag(false),
    target_symbol: text('PALM_USD'),
    default_chain: text('ETH'),
    chains: tableList(
      table({
        chain: requiredText('ETH'),
        target_contract_address: text(''),
        swap_contract_address: optionalText(),
      }),
    ),
  }),
})

export const selfFunding = section({
  tax: section({ enabled: flag(false), rate: fraction(0), destination_wallet: optionalText() }),
})

export const yieldSection = section({
  enabled: flag(false),
  protocol: text('aave'),
  chain: text('base'),
  min_deposit: number(50),
  withdrawal_threshold: number(30),
  chain_rpc_url: optionalText(),
  pool_address: text(''),
  usdc_address: text('0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913'),
  atoken_address: optionalText(),
})

export const wallet = section({
  path: requiredText('wallet.json'),
  chain_id: integer(8_453, 1),
  rpc_url: requiredText('https://mainnet.base.org'),
})
