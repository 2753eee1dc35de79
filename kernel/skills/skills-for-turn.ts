import { authorityOrder } from '#kernel/policy/authority.ts'
import type { TurnRequest } from '#kernel/turns/turn-request.ts'
import type { Authority, TurnSkills } from '#sdk/services/agent.ts'
import { builtinSkills } from './builtin.ts'
import type { Skills } from './registry.ts'
import { isUsable, type Skill } from './skill.ts'

/** Which skills a message calls for, and which else the model may load. */
export function skillsForTurn(
  skills: Skills,
  { model_text: text, authority }: Pick<TurnRequest, 'model_text' | 'authority'>,
): TurnSkills {
  const active = skills.match(text, (skill) => narrowing(skill, authority) === null)
  const chosen = new Set(active.map(({ skill }) => skill.name))
  const others = skills
    .list()
    .filter((skill) => isUsable(skill) && !chosen.has(skill.name) && !narrowing(skill, authority))
  return {
    active: active.map(({ skill: { id, name, hash, body }, reason }) => ({ id, name, hash, body, reason })),
    index: [...others, ...builtinSkills].map(({ name, description }) => ({ name, description })),
  }
}

/** Why the skill's own overrides keep it from this caller, or null. */
export function narrowing(
  { name, policy_overrides }: Pick<Skill, 'name' | 'policy_overrides'>,
  authority: Authority,
): string | null {
  const { disabled, require_creator, deny_external } = policy_overrides
  const denied = (why: string) => `Policy override denied: skill '${name}' ${why}`
  if (disabled) return denied('is disabled')
  if (require_creator && authority !== 'Creator') return denied('requires Creator authority')
  if (deny_external && authorityOrder.indexOf(authority) === 0) return denied('is not for External authority')
  return null
}
