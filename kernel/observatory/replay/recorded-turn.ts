import type { ReadableDb } from '#kernel/store/database.ts'
import { findMessage } from '#kernel/store/messages.ts'
import { listSteps } from '#kernel/store/turn-steps.ts'
import { loadTurn, turnRequest as storedRequest, type TurnRow } from '#kernel/store/turns.ts'
import { historyMessage } from '#kernel/turns/turn-job.ts'
import { type TurnRequest, turnRequest } from '#kernel/turns/turn-request.ts'
import { RuntimeError } from '#sdk/errors.ts'
import type { ContextPlan, TurnJob, TurnStep } from '#sdk/services/agent.ts'

/** Everything of a turn that is needed to run it again. */
export interface RecordedTurn {
  turn: TurnRow
  request: TurnRequest
  plan: ContextPlan
  steps: TurnStep[]
  /** What its model was shown of the conversation. */
  history: TurnJob['history']
  message_id: string
  answer: string
}

/** `not_found` without such a turn, `conflict` with the reason where its record is not enough to run it again. */
export function loadRecordedTurn(db: ReadableDb, id: string): RecordedTurn {
  const turn = loadTurn(db, id)
  const refusal = (reason: string) => new RuntimeError('conflict', `turn ${id} can not be replayed: ${reason}`)
  if (turn.status === 'running') throw refusal('it is still under way')
  if (turn.status === 'appended') throw refusal('its answer was written by a client and not by a model')
  if (turn.status === 'blocked') throw refusal('its answer was blocked')
  if (turn.model === 'command') throw refusal('it was a command, and no model was asked')
  const steps = listSteps(db, id)
  const plan = steps.find((step) => step.kind === 'context')?.plan
  if (!plan) throw refusal('there is no record of what its model was shown')
  const request = turnRequest.safeParse(JSON.parse(storedRequest(db, id)))
  if (!request.success) throw refusal('how it was asked is not on record')
  const question = findMessage(db, turn.user_message_id ?? '')
  if (!question) throw refusal('its question has been deleted')
  const shown = plan.history_message_ids.map((message) => findMessage(db, message) ?? null)
  const history = shown.flatMap((row) => (row ? [historyMessage(row)] : []))
  const deleted = shown.length - history.length
  if (deleted > 0) throw refusal(`${deleted} of the messages that its model was shown have been deleted`)
  return {
    turn,
    request: request.data,
    plan,
    steps,
    history,
    message_id: question.id,
    answer: findMessage(db, turn.assistant_message_id ?? '')?.content ?? '',
  }
}
