import { once } from 'node:events'
import { z } from 'zod'
import { RuntimeError } from '#sdk/errors.ts'
import type { CreateAdapter, MediaRequest, MediaSource } from '../adapter.ts'
import { PlatformError } from '../platform-error.ts'
import { fetchPlatformMedia, withApiHost } from '../platform-media.ts'
import { untilAborted } from '../until-aborted.ts'
import { GraphApi, graphId } from './whatsapp/api.ts'
import { readWebhook } from './whatsapp/inbound.ts'
import { WhatsappOutbox } from './whatsapp/outbound.ts'

const mediaHosts = ['lookaside.fbsbx.com', '*.fbsbx.com', '*.fbcdn.net', '*.whatsapp.net', 'graph.facebook.com']

const phoneNumber = z.object({
  id: z.string(),
  display_phone_number: z.string().catch(''),
  verified_name: z.string().catch(''),
})
const mediaInfo = z.object({
  url: z.url({ protocol: /^https?$/ }).max(4_096),
  mime_type: z.string().max(256).nullable().catch(null),
  file_size: z.coerce.number().optional().catch(undefined),
})

/** WhatsApp's Cloud API: what comes in comes by webhook, everything else goes by the Graph API. */
export const createWhatsapp: CreateAdapter<'whatsapp'> = (settings, host) => {
  const { phone_number_id } = settings
  const api = new GraphApi(settings)
  const outbox = new WhatsappOutbox(api, host, phone_number_id)

  function ownNumber(signal: AbortSignal): Promise<z.infer<typeof phoneNumber>> {
    const query = { fields: 'id,display_phone_number,verified_name' }
    return api.ask(phoneNumber, { path: [phone_number_id], query }, signal)
  }

  async function fetchMedia({ ref, kind, maxBytes }: MediaRequest, signal: AbortSignal): Promise<MediaSource> {
    if (!graphId.safeParse(ref).success) {
      throw new PlatformError('The file is not named as WhatsApp names files', {
        code: 'invalid_media',
        permanent: true,
      })
    }
    const { url, mime_type, file_size } = await api.ask(mediaInfo, { path: [ref], query: { phone_number_id } }, signal)
    if (file_size !== undefined && file_size > maxBytes) {
      throw new RuntimeError('too_large', `The file is larger than ${maxBytes} bytes`)
    }
    const from = { hosts: mediaHosts, host: withApiHost(host, api.root), headers: api.authorization }
    const source = await fetchPlatformMedia({ ref: url, kind, maxBytes }, from, signal)
    return { ...source, content_type: mime_type ?? source.content_type }
  }

  return {
    mode: 'webhook',

    receive: untilAborted(async (signal) => {
      await ownNumber(signal)
      host.connected()
      if (!signal.aborted) await once(signal, 'abort')
    }),

    parse(body) {
      try {
        return readWebhook(JSON.parse(body), phone_number_id)
      } catch (thrown) {
        if (!(thrown instanceof SyntaxError)) throw thrown
        host.log.warn('WhatsApp sent a webhook that is no JSON')
        return []
      }
    },

    send: (part, signal) => outbox.send(part, signal),

    async typing({ message_id }, signal) {
      if (message_id !== null) await outbox.typing(message_id, signal)
    },

    fetchMedia,

    async check(signal) {
      const { id, display_phone_number, verified_name } = await ownNumber(signal)
      const name = [verified_name, display_phone_number].filter((part) => part !== '').join(', ')
      return { identity: name === '' ? id : `${name} (${id})` }
    },
  }
}
