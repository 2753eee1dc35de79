import { z } from 'zod'
import { get, post, put } from '../route.ts'
import { longField } from './text-field.ts'
import { time } from './values.ts'

const grade = z
  .number({ error: ({ input }) => (input === undefined ? 'is required' : 'must be between 1 and 5') })
  .refine((value) => Number.isInteger(value) && value >= 1 && value <= 5, 'must be between 1 and 5')
  .meta({ type: 'integer', minimum: 1, maximum: 5 })

export const feedback = z.object({
  id: z.string(),
  turn_id: z.string(),
  session_id: z.string(),
  grade: z.int().min(1).max(5),
  /** `dashboard`, unless told. */
  source: z.string(),
  comment: z.string().nullable(),
  created_at: time,
})
export type Feedback = z.infer<typeof feedback>

/** A comment that is absent stays as it is; null and blank clear it. */
const gradedBody = z.object({ grade, comment: longField.or(z.literal('')).nullish() })

export const feedbackRoutes = {
  createTurnFeedback: post('/api/turns/:id/feedback', {
    summary: 'Submit a quality grade (1-5)',
    body: gradedBody,
    response: z.object({ id: z.string(), turn_id: z.string(), grade: z.int() }),
  }),
  getTurnFeedback: get('/api/turns/:id/feedback', {
    summary: 'Get existing feedback for a turn',
    response: feedback,
  }),
  updateTurnFeedback: put('/api/turns/:id/feedback', {
    summary: 'Update a grade',
    body: gradedBody,
    response: z.object({ turn_id: z.string(), grade: z.int(), updated: z.literal(true) }),
  }),
  listSessionFeedback: get('/api/sessions/:id/feedback', {
    summary: 'Get all feedback for a session',
    response: z.object({ feedback: z.array(feedback) }),
  }),
}
