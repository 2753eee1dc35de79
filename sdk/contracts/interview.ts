import { z } from 'zod'
import { post } from '../route.ts'
import { shortField } from './text-field.ts'
import { count } from './values.ts'

const maxKeyLength = 128
const maxAnswerBytes = 32_768
const maxFileLength = 65_536

const sessionKey = shortField.refine((text) => text.length <= maxKeyLength, `exceeds max length (${maxKeyLength})`)
const answer = z.string().max(maxAnswerBytes, `exceeds max length (${maxAnswerBytes})`)

/** The personality files that an interview makes, as TOML text. */
const files = z.object({
  os: z.string().max(maxFileLength).optional(),
  firmware: z.string().max(maxFileLength).optional(),
  operator: z.string().max(maxFileLength).optional(),
  directives: z.string().max(maxFileLength).optional(),
})

export const interviewRoutes = {
  startInterview: post('/api/interview/start', {
    summary: 'Start setup interview',
    body: z.object({ session_key: sessionKey.optional(), restart: z.boolean().default(false) }).prefault({}),
    response: z.object({
      session_key: z.string(),
      status: z.literal('started'),
      /** The first question. */
      opening: z.string(),
      stage: count,
      stages_total: count,
      questions: z.array(z.string()),
    }),
  }),
  submitInterviewTurn: post('/api/interview/turn', {
    summary: 'Submit interview response',
    /** `session_id` and `answer` are other names of `session_key` and `content`. */
    body: z
      .object({
        session_key: sessionKey.optional(),
        session_id: sessionKey.optional(),
        content: answer.optional(),
        answer: answer.optional(),
      })
      .refine((body) => body.session_key !== undefined || body.session_id !== undefined, {
        path: ['session_key'],
        message: 'is required',
      })
      .refine((body) => (body.content ?? body.answer ?? '').trim() !== '', {
        path: ['content'],
        message: 'must not be empty',
      }),
    response: z.object({
      session_key: z.string(),
      content: z.string(),
      /** The length of the whole history, so it grows by two. */
      turn: count,
      stage: count,
      coverage: z.record(z.string(), z.boolean()),
      can_finish: z.boolean(),
    }),
  }),
  finishInterview: post('/api/interview/finish', {
    summary: 'Finalize interview',
    body: z.object({ session_key: sessionKey, confirm: z.boolean().default(false), files: files.optional() }),
    response: z.object({
      session_key: z.string(),
      status: z.enum(['awaiting_confirmation', 'completed']),
      files_generated: count,
      has_os: z.boolean(),
      has_firmware: z.boolean(),
      has_operator: z.boolean(),
      has_directives: z.boolean(),
      preview: z.record(z.string(), z.string()),
      files_written: z.array(z.string()).optional(),
    }),
  }),
}
