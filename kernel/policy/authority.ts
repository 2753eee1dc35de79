import type { Authority } from '#sdk/services/agent.ts'
import type { RiskLevel } from '#sdk/services/tools.ts'

/** From the least trusted to the most. */
export const authorityOrder: readonly Authority[] = ['External', 'Peer', 'SelfGenerated', 'Creator']

const riskOrder: readonly RiskLevel[] = ['Safe', 'Caution', 'Dangerous', 'Forbidden']

/** The highest risk each authority may take. Nobody takes a forbidden one: a rule of its own says so. */
const highestRisk: Record<Authority, RiskLevel> = {
  External: 'Safe',
  Peer: 'Caution',
  SelfGenerated: 'Dangerous',
  Creator: 'Forbidden',
}

export function riskAllowed(authority: Authority, risk: RiskLevel): boolean {
  return riskAtLeast(highestRisk[authority], risk)
}

export function riskAtLeast(risk: RiskLevel, least: RiskLevel): boolean {
  return riskOrder.indexOf(risk) >= riskOrder.indexOf(least)
}

export function authorityAtLeast(authority: Authority, least: Authority): boolean {
  return authorityOrder.indexOf(authority) >= authorityOrder.indexOf(least)
}

/** What a way in, or a sender, is worth, and why. */
export interface Grant {
  source: 'api' | 'allow_list' | 'trusted_sender' | 'paired' | 'peer' | 'cron'
  level: Authority
}

export interface ResolvedAuthority {
  level: Authority
  sources: Grant['source'][]
  /** The lowest ceiling that applied. */
  ceiling: Authority | null
  threat_downgraded: boolean
}

/** The highest grant, or External without one, under the lowest ceiling. */
export function resolveAuthority({
  grants,
  ceilings,
}: {
  grants: readonly Grant[]
  ceilings: readonly Authority[]
}): ResolvedAuthority {
  const granted = grants.map(({ level }) => level).reduce(higher, 'External')
  const ceiling = ceilings.length > 0 ? ceilings.reduce(lowerAuthority) : null
  const level = ceiling === null ? granted : lowerAuthority(granted, ceiling)
  return { level, sources: grants.map(({ source }) => source), ceiling, threat_downgraded: level !== granted }
}

function higher(left: Authority, right: Authority): Authority {
  return authorityAtLeast(left, right) ? left : right
}

export function lowerAuthority(left: Authority, right: Authority): Authority {
  return authorityAtLeast(left, right) ? right : left
}

/** Who holds the API key speaks with this authority. */
export function apiGrant(security: { api_authority: Authority }): Grant {
  return { source: 'api', level: security.api_authority }
}
