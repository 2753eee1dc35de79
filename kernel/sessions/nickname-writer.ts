import type { Logger } from 'pino'
import type { EventBus } from '#kernel/events/bus.ts'
import { countMessages, firstMessages } from '#kernel/store/messages.ts'
import {
  countNamelessSessions,
  listNamelessSessions,
  loadSession,
  nicknameSource,
  setNickname,
} from '#kernel/store/sessions.ts'
import type { Store } from '#kernel/store/store.ts'
import { newId } from '#sdk/ids.ts'
import type { Client } from '#sdk/service.ts'
import type { inferenceService } from '#sdk/services/inference.ts'
import { nicknameFor } from './nickname.ts'
import { sessionFields } from './session-fields.ts'

/** A model is asked for a title when a conversation has this many messages, and once more when it has grown. */
const titledAtMessages = [4, 12]
const titleMessages = 8
const titleMessageLength = 200
const maxTitleBytes = 60
const backfillBatch = 50
const backfillConcurrency = 2

interface NicknameDeps {
  store: Store
  bus: EventBus
  inference: Client<typeof inferenceService>
  /** Whether anything but the built-in offline model may answer. */
  hasModel: () => boolean
  log: Logger
}

/** Gives conversations their titles: by rule at once, by a model once there is enough to go by. */
export function openNicknameWriter({ store, bus, inference, hasModel, log }: NicknameDeps) {
  async function titleOf(sessionId: string): Promise<string | null> {
    const talk = firstMessages(store.read, sessionId, titleMessages)
      .map(({ role, content }) => `${role}: ${content.slice(0, titleMessageLength)}`)
      .join('\n')
    const { text } = await inference.complete({
      request_id: newId(),
      model: 'auto',
      purpose: 'nickname',
      account: { session_id: sessionId },
      max_tokens: 30,
      temperature: 0.3,
      messages: [
        {
          role: 'system',
          content: 'Give the conversation a title of three to six words. Answer with the title alone.',
        },
        { role: 'user', content: talk },
      ],
    })
    const title = text.trim().replace(/^["'“”]+|["'“”.]+$/g, '')
    return title !== '' && Buffer.byteLength(title) <= maxTitleBytes ? title : null
  }

  function save(sessionId: string, title: string, source: 'heuristic' | 'model') {
    setNickname(store.write, sessionId, title, source)
    bus.publish('session_updated', sessionFields(loadSession(store.read, sessionId)))
  }

  function complain(sessionId: string, err: unknown): null {
    log.warn({ err, session_id: sessionId }, 'no title could be made')
    return null
  }

  /** Called after each turn; asks a model only at the lengths named above. */
  async function refine(sessionId: string): Promise<void> {
    const length = countMessages(store.read, sessionId)
    if (!hasModel() || !titledAtMessages.includes(length) || nicknameSource(store.read, sessionId) === 'user') return
    const title = await titleOf(sessionId)
    if (title) save(sessionId, title, 'model')
  }

  async function nameOne(sessionId: string): Promise<'model' | 'heuristic'> {
    const title = hasModel() ? await titleOf(sessionId).catch((err) => complain(sessionId, err)) : null
    const first = firstMessages(store.read, sessionId, titleMessages).find(({ role }) => role === 'user')
    save(sessionId, title ?? nicknameFor(first?.content ?? ''), title ? 'model' : 'heuristic')
    return title ? 'model' : 'heuristic'
  }

  return {
    refine(sessionId: string): void {
      refine(sessionId).catch((err) => complain(sessionId, err))
    },

    /** Names up to 50 nameless sessions. */
    async backfill() {
      const waiting = listNamelessSessions(store.read, backfillBatch)
      const made: ('model' | 'heuristic')[] = []
      const workers = Array.from({ length: backfillConcurrency }, async () => {
        for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) made.push(await nameOne(id))
      })
      await Promise.all(workers)
      const via_llm = made.filter((source) => source === 'model').length
      return {
        backfilled: made.length,
        updated: made.length,
        via_llm,
        via_heuristic: made.length - via_llm,
        remaining: countNamelessSessions(store.read),
      }
    },
  }
}

export type NicknameWriter = ReturnType<typeof openNicknameWriter>
