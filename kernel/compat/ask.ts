import type { Context } from '#kernel/context.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { askAgent } from './ask-agent.ts'
import { askModel } from './ask-model.ts'
import { resolveTarget, type Target } from './model-target.ts'
import type { Answer, DoorCall, Question } from './question.ts'

export type DoorContext = Pick<Context, 'inference' | 'config' | 'store' | 'bus' | 'inFlight' | 'turns'>

/** Asks whoever the client's model name means. */
export function ask(question: Question, call: DoorCall, context: DoorContext): Promise<Answer> {
  const { mode, model } = chosenMode(resolveTarget(context.config.current(), question.model), call.headers)
  return mode === 'agent' ? askAgent(question, model, call, context) : askModel(question, model, call, context)
}

/** `x-agent-mode` wins over what the name says: a turn of the agent with that model, or the router instead of the agent. */
function chosenMode(target: Target, { 'x-agent-mode': asked }: DoorCall['headers']): Target {
  if (asked === undefined || asked === '') return target
  if (asked === 'agent' || asked === 'proxy') return { ...target, mode: asked }
  throw new RuntimeError('invalid', "x-agent-mode: must be 'agent' or 'proxy'", { param: 'x-agent-mode' })
}
