import { z } from 'zod'
import { RuntimeError } from '#sdk/errors.ts'
import type { CreateAdapter, MediaRequest, MediaSource } from '../adapter.ts'
import { PlatformError } from '../platform-error.ts'
import { untilAborted } from '../until-aborted.ts'
import { SignalApi } from './signal/api.ts'
import { accountId } from './signal/chat.ts'
import { attachmentId, type OwnAccount, readEvent } from './signal/inbound.ts'
import { checkedRecipient, sendPart } from './signal/outbound.ts'

/** Around the base64 of a file. */
const envelopeBytes = 4_096
/** A daemon that serves one account does not know the command that lists them. */
const unknownCommand = 'rpc_-32601'

const version = z.object({ version: z.string() })
const accounts = z.array(
  z.object({ number: z.string().nullish().catch(null), aci: accountId.nullish().catch(null) }).catch({}),
)
const fileData = z.object({ data: z.base64() })
const anything = z.unknown()

/**
 * Signal, by a signal-cli daemon (`signal-cli daemon --http --receive-mode=on-connection`): events by its stream,
 * everything else by JSON-RPC. The daemon takes messages off Signal's servers when it passes them on. Newer ones number
 * their events, and are asked for those after the last that was kept; they keep them in memory only. With older ones, and
 * when the daemon itself ends, what it has passed on and Keel has not yet kept is lost.
 */
export const createSignal: CreateAdapter<'signal'> = (settings, host) => {
  const api = new SignalApi(settings)
  const number = settings.phone_number

  async function ownAccount(signal: AbortSignal): Promise<OwnAccount> {
    try {
      const listed = await api.call(accounts, { method: 'listAccounts' }, signal)
      const own = listed.find((account) => account.number === number || account.aci === number)
      if (own) return { number, uuid: own.aci ?? null }
    } catch (thrown) {
      // Accounts without a number are named by their id.
      const uuid = accountId.safeParse(number).data ?? null
      if (thrown instanceof PlatformError && thrown.code === unknownCommand) return { number, uuid }
      throw thrown
    }
    throw new PlatformError(`signal-cli has no account ${number}`, { code: 'account_unknown', permanent: true })
  }

  async function follow(signal: AbortSignal): Promise<void> {
    const own = await ownAccount(signal)
    for await (const event of api.events(await host.cursor(), signal)) {
      host.connected()
      if (event === 'connected') continue
      const updates = readEvent(event.data, own)
      if (updates.length > 0) await host.accept(updates, event.id)
    }
  }

  async function fetchMedia({ ref, maxBytes }: MediaRequest, signal: AbortSignal): Promise<MediaSource> {
    const at = ref.lastIndexOf(' ')
    const id = attachmentId.safeParse(ref.slice(at + 1)).data
    if (at === -1 || id === undefined) {
      throw new PlatformError('No file of a Signal message', { code: 'invalid_media', permanent: true })
    }
    const chat = checkedRecipient(ref.slice(0, at))
    const from = 'groupId' in chat ? chat : { recipient: chat.recipient[0] }
    const most = Math.ceil(maxBytes / 3) * 4 + envelopeBytes
    const tooLarge = () => new RuntimeError('too_large', `The file is larger than ${maxBytes} bytes`)
    const request = { method: 'getAttachment', params: { id, ...from }, maxBytes: most }
    const { data } = await api.call(fileData, request, signal).catch((thrown: unknown) => {
      throw thrown instanceof PlatformError && thrown.code === 'answer_too_long' ? tooLarge() : thrown
    })
    const bytes = Buffer.from(data, 'base64')
    if (bytes.length > maxBytes) throw tooLarge()
    return { content_type: null, filename: null, bytes: once(bytes) }
  }

  return {
    mode: 'polling',

    receive: untilAborted(follow),

    send: (part, signal) => sendPart(part, { api, host, number }, signal),
    fetchMedia,

    async typing({ chat_id }, signal) {
      await api.call(anything, { method: 'sendTyping', params: checkedRecipient(chat_id) }, signal)
    },

    async check(signal) {
      await api.call(version, { method: 'version' }, signal)
      await ownAccount(signal)
      return { identity: number }
    },
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
