import { once } from 'node:events'
import { z } from 'zod'
import type { CreateAdapter } from '../adapter.ts'
import { PlatformError } from '../platform-error.ts'
import { fetchPlatformMedia } from '../platform-media.ts'
import { untilAborted } from '../until-aborted.ts'
import { SlackApi } from './slack/api.ts'
import { pressPlace, readPayload, readWebhook } from './slack/inbound.ts'
import { callingNobody, SlackOutbox, slackFileHosts } from './slack/outbound.ts'

const done = z.object({ ok: z.literal(true) })

/** Slack: events by Socket Mode where there is an app token, else by webhook; everything else by its Web API. */
export const createSlack: CreateAdapter<'slack'> = (settings, host) => {
  const { bot_token, app_token, api_url } = settings
  const api = new SlackApi(settings, host.log)
  const outbox = new SlackOutbox(api, host)
  let ownId: string | null = null

  async function follow(signal: AbortSignal): Promise<void> {
    ownId = (await api.identity(signal)).user_id
    if (app_token === null) {
      host.connected()
      await once(signal, 'abort')
      return
    }
    const { followSocket } = await import('./slack/socket.ts')
    const stay = {
      appToken: app_token,
      apiUrl: api_url,
      log: host.log,
      spoke: host.connected,
      keep: async (payload: unknown) => {
        const updates = readPayload(payload, ownId)
        if (updates.length > 0) await host.accept(updates, null)
      },
    }
    await followSocket(stay, signal)
  }

  return {
    mode: app_token === null ? 'webhook' : 'gateway',

    receive: untilAborted(follow),

    parse: (body) => readWebhook(body, ownId),
    send: (part, signal) => outbox.send(part, signal),
    draft: (draft, signal) => outbox.draft(draft, signal),

    /** Slack's buttons do not wait; what is to be said is shown to who pressed alone. */
    async answerPress({ external_id, text }, signal) {
      const place = pressPlace(external_id)
      if (!place) throw new PlatformError('The press is not known', { code: 'press_unknown', permanent: true })
      if (text === '') return
      const { channel, thread, user } = place
      const params = { channel, user, text: callingNobody(text), ...(thread && { thread_ts: thread }) }
      await api.call('chat.postEphemeral', params, done, signal)
    },

    fetchMedia(media, signal) {
      const headers = { authorization: `Bearer ${bot_token}` }
      return fetchPlatformMedia(media, { hosts: slackFileHosts, host, headers }, signal)
    },

    async check(signal) {
      const { user, user_id, team } = await api.identity(signal)
      return { identity: team === '' ? `${user} (${user_id})` : `${user} (${user_id}) in ${team}` }
    },
  }
}
