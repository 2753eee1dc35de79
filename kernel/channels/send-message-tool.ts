import { createHash } from 'node:crypto'
import { z } from 'zod'
import { ownTool } from '#kernel/tools/own-tool.ts'
import type { CallConditions, Tool, ToolCaller } from '#kernel/tools/tool.ts'
import { channelBounds, type OutboundAttachment } from '#sdk/channels/message.ts'
import { type PlatformName, platforms } from '#sdk/channels/platforms.ts'
import { isErrorOf, RuntimeError } from '#sdk/errors.ts'
import { newId } from '#sdk/ids.ts'
import { type Conversation, conversationKey, conversationText, readConversation } from './conversation.ts'
import type { Outbox } from './outbox.ts'

const timeoutMs = 60_000
const maxPathLength = 4_096
const maxTextLength = 32_768

const input = z.object({
  text: z.string().max(maxTextLength).default('').describe('What to say, in Markdown.'),
  to: z
    .string()
    .min(1)
    .max(channelBounds.idBytes)
    .optional()
    .describe('Such as "telegram:123456"; without it the message goes to this conversation.'),
  files: z
    .array(z.string().min(1).max(maxPathLength))
    .max(channelBounds.attachments)
    .default([])
    .describe('Paths of files in the workspace to send along.'),
})

export interface SendToolDeps {
  outbox: Pick<Outbox, 'queue'>
  /** The conversation that the turn came from. */
  conversationOf: (turnId: string) => Conversation | undefined
  /** Whether somebody who is vouched for is there. */
  isKnown: (conversation: Conversation) => boolean
  problemOf: (channel: PlatformName) => string | undefined
  /** Copies the files, so that what is sent is what they are now. */
  hold: (deliveryId: string, paths: readonly string[]) => Promise<OutboundAttachment[]>
  dropHeld: (deliveryId: string) => Promise<void>
}

/** How the model speaks of itself: in its own conversation, or, as what it must be more trusted for, in another that is known. */
export function sendMessageTool(deps: SendToolDeps): Tool {
  return {
    ...ownTool('send_message', 'Sends a message, and files of the workspace, over a chat channel.', input),
    timeoutMs,
    risk: 'Caution',
    // The same of one turn is sent once.
    idempotent: true,
    paths: ['files'],
    conditions: (raw, caller) => conditionsOf(input.parse(raw).to, caller, deps),
    async run(raw, { caller, call_id }) {
      try {
        return { status: 'success', output: await send(input.parse(raw), { caller, call_id }, deps) }
      } catch (thrown) {
        if (!isErrorOf(thrown, 'invalid', 'forbidden', 'not_found', 'too_large', 'conflict')) throw thrown
        return { status: 'error', output: thrown.message }
      }
    },
  }
}

function conditionsOf(to: string | undefined, caller: ToolCaller, deps: SendToolDeps): CallConditions {
  const own = ownOf(caller, deps)
  const target = targetOf(to, own)
  if (typeof target === 'string') return { deny: target }
  if (own && conversationKey(own) === conversationKey(target)) return {}
  if (!deps.isKnown(target)) return { deny: `${conversationText(target)} is no chat of anybody who is known` }
  return { risk: 'Dangerous' }
}

async function send(
  { text, to, files }: z.output<typeof input>,
  { caller, call_id }: { caller: ToolCaller; call_id: string },
  deps: SendToolDeps,
): Promise<string> {
  const own = ownOf(caller, deps)
  const target = targetOf(to, own)
  if (typeof target === 'string') throw new RuntimeError('invalid', target)
  const isOwn = own !== undefined && conversationKey(own) === conversationKey(target)
  if (!isOwn && !deps.isKnown(target))
    throw new RuntimeError('forbidden', `${conversationText(target)} is no chat of anybody who is known`)
  const problem = deps.problemOf(target.channel)
  if (problem !== undefined) throw new RuntimeError('conflict', problem)
  if (text.trim() === '' && files.length === 0) throw new RuntimeError('invalid', 'there is neither a text nor a file')
  const id = newId()
  const attachments = files.length > 0 ? await deps.hold(id, files) : []
  try {
    const tooLarge = attachments.find(({ size_bytes }) => size_bytes > platforms[target.channel].fileBytes)
    if (tooLarge) throw new RuntimeError('too_large', `${tooLarge.filename} is larger than ${target.channel} takes`)
    const key = keyOf({ text, files, target }, caller, call_id)
    const { isNew } = deps.outbox.queue({ ...target, id, key, text, attachments, turn_id: caller.turn_id })
    if (!isNew) await deps.dropHeld(id)
    return isNew ? 'The message is on its way.' : 'That message was on its way already.'
  } catch (thrown) {
    await deps.dropHeld(id)
    throw thrown
  }
}

function ownOf({ turn_id }: ToolCaller, { conversationOf }: SendToolDeps): Conversation | undefined {
  return turn_id === null ? undefined : conversationOf(turn_id)
}

/** A string says why there is none. */
function targetOf(to: string | undefined, own: Conversation | undefined): Conversation | string {
  if (to === undefined) return own ?? 'this conversation is on no channel; name one in `to`'
  const named = readConversation(to)
  return typeof named === 'object' ? named : `'${to}' is no chat; write it as in "telegram:123456"`
}

function keyOf(said: unknown, { turn_id }: ToolCaller, callId: string): string {
  if (turn_id === null) return `tool:${callId}`
  return `tool:${turn_id}:${createHash('sha256').update(JSON.stringify(said)).digest('hex')}`
}
