import type { Logger } from 'pino'
import type { Approvals } from '#kernel/approvals/approvals.ts'
import { decideByWord } from '#kernel/approvals/decide-by-word.ts'
import { resolveAuthority } from '#kernel/policy/authority.ts'
import { type InboxRow, strangerReason } from '#kernel/store/channel-inbox.ts'
import type { InboundPress, MessageButton } from '#sdk/channels/message.ts'
import type { Client } from '#sdk/service.ts'
import type { channelsService } from '#sdk/services/channels.ts'
import type { MessageDeps } from './handle-message.ts'

/** Under a message that asks for a decision. */
export function decisionButtons(requestId: string): MessageButton[] {
  return [
    { label: 'Approve', value: `approve:${requestId}` },
    { label: 'Deny', value: `deny:${requestId}` },
  ]
}

const decisionValue = /^(approve|deny):([0-9a-f-]{36})$/
const creatorsAlone = 'To decide requires Creator authority.'
const maxAnswerLength = 200

export interface PressDeps extends Pick<MessageDeps, 'grantsOf'> {
  approvals: Pick<Approvals, 'decide'>
  log: Logger
  service: () => Pick<Client<typeof channelsService>, 'answerPress'>
}

/** A pressed button: it decides where a Creator has pressed it. Returns why nothing came of it, or null. */
export function handlePress({ channel }: InboxRow, press: InboundPress, deps: PressDeps): string | null {
  const grants = deps.grantsOf(channel, press)
  if (grants.length === 0) return strangerReason
  const [, name, id = ''] = decisionValue.exec(press.value) ?? []
  if (name !== 'approve' && name !== 'deny') return 'no button of ours'
  const isCreator = resolveAuthority({ grants, ceilings: [] }).level === 'Creator'
  const decided_by = `${channel}:${press.sender_id}`
  const text = isCreator ? decideByWord(deps.approvals, { name, id, decided_by }) : creatorsAlone
  // It only ends the button's spinning: what was decided is decided.
  void deps
    .service()
    .answerPress({ channel, external_id: press.external_id, text: text.slice(0, maxAnswerLength) })
    .catch((err) => deps.log.debug({ err, channel }, 'a pressed button was not acknowledged'))
  return isCreator ? null : 'not allowed'
}
