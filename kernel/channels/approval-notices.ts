import type { Logger } from 'pino'
import { resolveAuthority } from '#kernel/policy/authority.ts'
import { type ApprovalRow, listPendingApprovals } from '#kernel/store/approvals.ts'
import { findUpdateOfTurn } from '#kernel/store/channel-inbox.ts'
import { findDeliveryByKey } from '#kernel/store/channel-outbox.ts'
import type { Store } from '#kernel/store/store.ts'
import { inboundMessage } from '#sdk/channels/message.ts'
import { type PlatformName, platforms } from '#sdk/channels/platforms.ts'
import type { Conversation } from './conversation.ts'
import type { MessageDeps } from './handle-message.ts'
import { decisionButtons } from './handle-press.ts'
import type { Outbox } from './outbox.ts'

export interface NoticeDeps extends Pick<MessageDeps, 'grantsOf'> {
  store: Pick<Store, 'read' | 'durable'>
  log: Logger
  outbox: Pick<Outbox, 'queue'>
  creatorChats: (channel: PlatformName) => Conversation[]
}

/**
 * Asks on its channel about each call that waits for a person and whose turn came from a channel: whoever wrote, if they
 * may decide, else those who may. Each is asked once, however often this is called.
 */
export function askPendingApprovals(deps: NoticeDeps): void {
  const { store, log, outbox } = deps
  for (const approval of listPendingApprovals(store.read).reverse())
    for (const asked of askedAbout(approval, deps)) {
      if (findDeliveryByKey(store.read, asked.key)) continue
      try {
        outbox.queue({ ...asked, ...noticeOf(approval, asked.channel) })
      } catch (err) {
        log.warn({ err, request_id: approval.id, channel: asked.channel }, 'nobody could be asked on the channel')
      }
    }
}

function askedAbout({ id, turn_id }: ApprovalRow, { store, grantsOf, creatorChats }: NoticeDeps) {
  const row = turn_id === null ? undefined : findUpdateOfTurn(store.read, turn_id)
  if (!row) return []
  const { channel, chat_id, thread_id } = row
  const message = inboundMessage.parse(JSON.parse(row.update_json))
  const isCreator = resolveAuthority({ grants: grantsOf(channel, message), ceilings: [] }).level === 'Creator'
  const chats = isCreator ? [{ channel, chat_id, thread_id }] : creatorChats(channel)
  return chats.map((chat) => ({ ...chat, key: `approval:${id}:${chat.chat_id}`, turn_id }))
}

/** What is approved is exactly this, so all of it is shown. */
function noticeOf({ id, tool_name, tool_input, policy_reason }: ApprovalRow, channel: PlatformName) {
  const input = JSON.stringify(JSON.parse(tool_input), null, 2)
  const fence = '`'.repeat(Math.max(3, longestRun(input) + 1))
  const text = [
    `**${tool_name}** waits for your approval${policy_reason === null ? '.' : `: ${policy_reason}.`}`,
    `${fence}json\n${input}\n${fence}`,
    `Answer with \`/approve ${id}\` or \`/deny ${id}\`.`,
  ].join('\n\n')
  return { text, buttons: platforms[channel].buttons ? decisionButtons(id) : [] }
}

function longestRun(text: string): number {
  return Math.max(0, ...(text.match(/`+/g) ?? []).map((run) => run.length))
}
