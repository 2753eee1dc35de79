import { isAbsolute } from 'node:path'
import { budgetScopes } from '#sdk/budgets.ts'
import type { KeyPath } from './key-path.ts'
import type { Config } from './schema.ts'
import { authorities } from './sections/security.ts'

export interface RuleBreach {
  path: KeyPath
  message: string
}

const loopback = new Set(['127.0.0.1', 'localhost', '::1'])

export function isLoopbackBind(bind: string): boolean {
  return loopback.has(bind)
}

/** What no single key can tell: the rules between keys. */
export function brokenRules(config: Config): RuleBreach[] {
  return [
    ...serverRules(config),
    ...modelRules(config),
    ...memoryRules(config),
    ...budgetRules(config),
    ...moneyRules(config),
    ...securityRules(config),
  ]
}

function* serverRules({ server }: Config): Generator<RuleBreach> {
  if (!isLoopbackBind(server.bind) && server.api_key === null) {
    yield breach(
      'server.bind',
      `other machines can reach "${server.bind}", so the key must be one that you chose: set KEEL_API_KEY or server.api_key`,
    )
  }
}

function* modelRules({ models }: Config): Generator<RuleBreach> {
  const { routing, analysis } = models
  if (analysis !== null && !/^[^/\s]+\/\S+$/.test(analysis)) {
    yield breach('models.analysis', `expected a model as provider/model, got ${JSON.stringify(analysis)}`)
  }
  if (routing.canary_model !== null && routing.canary_fraction === 0) {
    yield breach('models.routing.canary_fraction', 'expected a number above 0, because canary_model is set')
  }
  if (routing.canary_model === null && routing.canary_fraction > 0) {
    yield breach('models.routing.canary_model', 'expected a model, because canary_fraction is above 0')
  }
  if (routing.canary_model !== null && routing.blocked_models.includes(routing.canary_model)) {
    yield breach('models.routing.canary_model', `"${routing.canary_model}" is also in blocked_models`)
  }
  if (routing.per_provider_timeout_seconds > routing.max_total_inference_seconds) {
    yield breach('models.routing.per_provider_timeout_seconds', 'expected at most max_total_inference_seconds')
  }
}

function* memoryRules({ memory }: Config): Generator<RuleBreach> {
  const sum =
    memory.working_budget_pct +
    memory.episodic_budget_pct +
    memory.semantic_budget_pct +
    memory.procedural_budget_pct +
    memory.relationship_budget_pct
  if (Math.abs(sum - 100) > 0.01) {
    yield breach('memory', `the five *_budget_pct must add up to 100, got ${Number(sum.toFixed(2))}`)
  }
}

function* budgetRules({ budgets, treasury }: Config): Generator<RuleBreach> {
  for (const scope of budgetScopes) {
    const { soft_cost, hard_cost, soft_tokens, hard_tokens } = budgets[scope]
    if (soft_cost !== null && hard_cost !== null && soft_cost > hard_cost)
      yield breach(`budgets.${scope}.soft_cost`, 'expected at most hard_cost')
    if (soft_tokens !== null && hard_tokens !== null && soft_tokens > hard_tokens)
      yield breach(`budgets.${scope}.soft_tokens`, 'expected at most hard_tokens')
  }
  const { soft_cost, hard_cost } = budgets.day
  if (soft_cost !== null && hard_cost === null && soft_cost > treasury.daily_inference_budget) {
    yield breach(
      'budgets.day.soft_cost',
      'expected at most treasury.daily_inference_budget, which counts because budgets.day.hard_cost is not set',
    )
  }
}

function* moneyRules({ treasury, self_funding: funding }: Config): Generator<RuleBreach> {
  const swap = treasury.revenue_swap
  const chains = swap.chains.map(({ chain }) => chain)
  if (new Set(chains).size < chains.length) {
    yield breach('treasury.revenue_swap.chains', 'a chain is listed more than once')
  }
  if (swap.enabled) {
    if (swap.target_symbol.trim() === '') yield breach('treasury.revenue_swap.target_symbol', 'expected a symbol')
    if (!chains.includes(swap.default_chain)) {
      yield breach(
        'treasury.revenue_swap.default_chain',
        `"${swap.default_chain}" is not in treasury.revenue_swap.chains`,
      )
    }
  }
  if (funding.tax.enabled && funding.tax.destination_wallet === null) {
    yield breach('self_funding.tax.destination_wallet', 'expected an address, because the tax is enabled')
  }
}

function* securityRules({ security }: Config): Generator<RuleBreach> {
  const rank = (authority: Config['security']['api_authority']) => authorities.indexOf(authority)
  if (rank(security.allowlist_authority) > rank(security.trusted_authority)) {
    yield breach(
      'security.allowlist_authority',
      `expected at most security.trusted_authority ("${security.trusted_authority}")`,
    )
  }
  if (security.threat_caution_ceiling === 'Creator') {
    yield breach('security.threat_caution_ceiling', 'expected an authority below "Creator"')
  }
  for (const path of security.filesystem.script_allowed_paths) {
    if (!isAbsolute(path)) {
      yield breach('security.filesystem.script_allowed_paths', `expected absolute paths, got ${JSON.stringify(path)}`)
    }
  }
}

function breach(path: string, message: string): RuleBreach {
  return { path: path.split('.'), message }
}
