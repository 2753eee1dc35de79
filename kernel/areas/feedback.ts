import type { Context } from '#kernel/context.ts'
import type { Handlers } from '#kernel/http/handler.ts'
import { type FeedbackRow, findFeedback, listFeedback, saveFeedback } from '#kernel/store/feedback.ts'
import { loadTurn } from '#kernel/store/turns.ts'
import type { feedbackRoutes } from '#sdk/contracts/feedback.ts'
import { RuntimeError } from '#sdk/errors.ts'

type Needs = Pick<Context, 'store' | 'bus' | 'inference' | 'log'>

export const feedbackHandlers: Handlers<typeof feedbackRoutes, Needs> = {
  createTurnFeedback({ params, body }, context) {
    const { id, turn_id, grade } = gradeTurn(params.id, body, context)
    return { id, turn_id, grade }
  },

  getTurnFeedback({ params }, { store }) {
    const feedback = findFeedback(store.read, params.id)
    if (!feedback) throw new RuntimeError('not_found', `no feedback for turn ${params.id}`)
    return feedback
  },

  updateTurnFeedback({ params, body }, context) {
    const { turn_id, grade } = gradeTurn(params.id, body, context)
    return { turn_id, grade, updated: true }
  },

  listSessionFeedback: ({ params }, { store }) => ({ feedback: listFeedback(store.read, params.id) }),
}

function gradeTurn(
  turnId: string,
  { grade, comment }: { grade: number; comment?: string | null | undefined },
  { store, bus, inference, log }: Needs,
): FeedbackRow {
  const { session_id, model } = loadTurn(store.read, turnId)
  const feedback = saveFeedback(store.write, {
    turn_id: turnId,
    session_id,
    grade,
    comment: comment === '' ? null : comment,
  })
  bus.publish('feedback_recorded', { turn_id: turnId, session_id, grade })
  if (model !== null) {
    // A service that is down hears of it from the database when it starts.
    inference
      .gradeAnswer({ model, turn_id: turnId, grade })
      .catch((err: unknown) => log.warn({ err, turn_id: turnId }, 'the router has not heard of a grade yet'))
  }
  return feedback
}
