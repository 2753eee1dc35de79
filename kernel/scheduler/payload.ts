import { z } from 'zod'
import { parsePart } from '#kernel/http/issues.ts'
import type { CronJobRow } from '#kernel/store/cron-jobs.ts'
import { jsonObject } from '#sdk/contracts/values.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { type CronPayload, cronPayload } from '#sdk/services/cron-payload.ts'

/** The longest payload, in characters of JSON. */
const maxPayloadLength = 65_536

const knownActions: ReadonlySet<string> = new Set(cronPayload.options.map(({ shape }) => shape.action.value))
/** The field is named as it is in a request. */
const named = z.object({ payload_json: cronPayload })
const withAction = z.object({ payload_json: z.looseObject({ action: z.string().min(1).max(64) }) })

/** The payload that was written, JSON text or an object, as the object it stands for. */
export function payloadObject(given: string | Record<string, unknown>): Record<string, unknown> {
  const text = typeof given === 'string' ? given : JSON.stringify(given)
  if (text.length > maxPayloadLength)
    throw new RuntimeError('invalid', `payload_json exceeds max length (${maxPayloadLength})`)
  const parsed = jsonObject.safeParse(typeof given === 'string' ? jsonOf(given) : given)
  if (!parsed.success) throw new RuntimeError('invalid', 'payload_json must be a JSON object')
  return parsed.data
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new RuntimeError('invalid', 'payload_json must be valid JSON', undefined, { cause })
  }
}

/** Checks all that can be known before the time comes. What an unknown action is, its run will say. */
export function checkPayload(payload: Record<string, unknown>, description: string | null): void {
  const { action } = parsePart(withAction, { payload_json: payload }, 'body').payload_json
  if (isKnownAction(action)) readPayload(payload, description)
}

export function isKnownAction(action: unknown): action is string {
  return typeof action === 'string' && knownActions.has(action)
}

export function actionOf({ payload_json }: Pick<CronJobRow, 'payload_json'>): unknown {
  return payloadObject(payload_json).action
}

/** What a job does when it is due; `invalid` names what is wrong with it. */
export function payloadOf({
  payload_json,
  description,
}: Pick<CronJobRow, 'payload_json' | 'description'>): CronPayload {
  return readPayload(payloadObject(payload_json), description)
}

function readPayload(payload: Record<string, unknown>, description: string | null): CronPayload {
  const { action } = payload
  if (!isKnownAction(action)) throw new RuntimeError('invalid', `unknown action: ${String(action)}`)
  const task = action === 'agent_task' ? { task: taskOf(payload, description) } : {}
  return parsePart(named, { payload_json: { ...payload, ...task } }, 'body').payload_json
}

/** `prompt` and `message` are other names of `task`, and a job's description is a task where nothing else is. */
function taskOf({ task, prompt, message }: Record<string, unknown>, description: string | null): unknown {
  return task ?? prompt ?? message ?? description ?? undefined
}
