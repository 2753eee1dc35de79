import type { Logger } from 'pino'
import { findUpdateOfTurn, type InboxRow, listWorkingUpdates, markDone } from '#kernel/store/channel-inbox.ts'
import type { ReadableDb } from '#kernel/store/database.ts'
import { findMessage } from '#kernel/store/messages.ts'
import type { Store } from '#kernel/store/store.ts'
import { findTurn, type TurnRow } from '#kernel/store/turns.ts'
import { noAnswer } from '#kernel/turns/finish-turn.ts'
import { inboundMessage } from '#sdk/channels/message.ts'
import type { TurnFollowers } from './follow-turns.ts'
import type { Outbox } from './outbox.ts'
import { outgoingText } from './outgoing-text.ts'
import { replyTo } from './reply-to.ts'

/** Said in place of an answer that could not be. */
export const apology = 'Something went wrong on my side while I worked on that. Please try again.'

/** How long an answer waits to be kept while the database takes no writes, in milliseconds; then it is looked for later. */
const storeWaitMs = 30_000

export interface AnswerDeps {
  store: Store
  log: Logger
  outbox: Outbox
  followers: Pick<TurnFollowers, 'end'>
}

/** Hands what a turn has brought to the chat that it came from: that it is owed and that it is on its way change together. */
export async function answerTurn(turnId: string, { store, log, outbox, followers }: AnswerDeps): Promise<void> {
  if (findUpdateOfTurn(store.read, turnId)?.state !== 'working') return
  await followers.end(turnId)
  const keep = store.durable.transaction(() => {
    const row = findUpdateOfTurn(store.durable, turnId)
    const turn = findTurn(store.durable, turnId)
    if (row?.state !== 'working' || turn?.status === 'running') return
    const text = turn ? answerOf(turn, row, store.durable) : apology
    if (text !== null) putAnswer(row, turnId, text)
    markDone(store.durable, row.id, text === null ? 'nothing to say' : null)
  })
  function putAnswer(row: InboxRow, turn_id: string, text: string) {
    const { channel, chat_id, thread_id, session_id, draft_message_id } = row
    const message = inboundMessage.parse(JSON.parse(row.update_json))
    outbox.put(store.durable, {
      channel,
      chat_id,
      thread_id,
      key: `turn:${turn_id}`,
      text,
      reply_to: replyTo(channel, message),
      replaces: draft_message_id,
      session_id,
      turn_id,
    })
  }
  await store
    .insist(keep, storeWaitMs)
    .catch((err) => log.error({ err, turn_id: turnId }, 'an answer is handed to its channel later'))
}

/** Answers the turns that have ended without an answer on its way, as an earlier kernel may have left them. */
export async function answerEndedTurns(deps: AnswerDeps): Promise<void> {
  for (const { turn_id } of listWorkingUpdates(deps.store.read)) if (turn_id !== null) await answerTurn(turn_id, deps)
}

/** null where nothing was said and nothing is shown that would stay unfinished. */
function answerOf(turn: TurnRow, { draft_message_id }: InboxRow, db: ReadableDb): string | null {
  if (turn.status === 'error') return apology
  const content = turn.assistant_message_id === null ? '' : (findMessage(db, turn.assistant_message_id)?.content ?? '')
  if (turn.status === 'interrupted' && content === noAnswer && draft_message_id === null) return null
  return outgoingText(content) || (draft_message_id === null ? null : '…')
}
