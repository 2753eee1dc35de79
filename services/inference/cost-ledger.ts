import type { Logger } from 'pino'
import type { Account } from '#sdk/budgets.ts'
import { newId } from '#sdk/ids.ts'
import type { TokenUsage } from '#sdk/messages.ts'
import type { Client } from '#sdk/service.ts'
import type { InferenceRequest } from '#sdk/services/inference.ts'
import type { CostRecord, kernelForInference } from '#sdk/services/kernel.ts'
import { splitModel } from './model-names.ts'

export interface CostEntry {
  request: { purpose: InferenceRequest['purpose'] | 'embedding'; turn_id: string | null; account: Account }
  model: string
  usage: TokenUsage
  cost: number
  latencyMs: number
  qualityScore: number | null
  escalation: boolean
  /** Tokens that the cache spared; null for a call that was really made. */
  tokensSaved: number | null
  cacheLevel: CostRecord['cache_level']
  /** The id of what was set aside for it. */
  reservation: string | null
}

export type CostLedger = (entry: CostEntry) => void

/** Has each call written down, before its answer leaves and without making its asker wait. */
export function costLedger(kernel: Pick<Client<typeof kernelForInference>, 'recordCost'>, log: Logger): CostLedger {
  return ({
    request,
    model,
    usage,
    cost,
    latencyMs,
    qualityScore,
    escalation,
    tokensSaved,
    cacheLevel,
    reservation,
  }) => {
    const isCached = tokensSaved !== null
    const { purpose } = request
    const record: CostRecord = {
      id: newId(),
      model,
      provider: splitModel(model).provider,
      tokens_in: usage.tokens_in,
      tokens_out: usage.tokens_out,
      cost,
      tier: isCached ? 'cached' : purpose === 'turn' || purpose === 'proxy' ? null : purpose,
      cached: isCached,
      latency_ms: latencyMs,
      quality_score: qualityScore,
      escalation,
      estimated: usage.estimated,
      tokens_saved: tokensSaved ?? 0,
      cache_level: cacheLevel,
      turn_id: request.turn_id,
      ...request.account,
      reservation_id: reservation,
    }
    kernel.recordCost(record).catch((err: unknown) => log.error({ err, model }, 'a cost could not be recorded'))
  }
}
