import type { Context } from '#kernel/context.ts'
import type { Handlers } from '#kernel/http/handler.ts'
import type { webhooksRoutes } from '#sdk/contracts/webhooks.ts'
import { isErrorOf } from '#sdk/errors.ts'

/** The codes of answers that have no body. */
const refused = 403
const notConfigured = 503

export const webhooksHandlers: Handlers<typeof webhooksRoutes, Pick<Context, 'channels'>> = {
  receiveTelegram(request, { channels }) {
    channels.webhooks.telegram(request)
    return { ok: true }
  },

  verifyWhatsapp({ query, reply }, { channels }) {
    const { 'hub.mode': mode, 'hub.verify_token': token, 'hub.challenge': challenge = '' } = query
    try {
      return channels.webhooks.isWhatsappToken(mode, token) ? challenge : reply.empty(refused)
    } catch (thrown) {
      if (!isErrorOf(thrown, 'unavailable')) throw thrown
      return reply.empty(notConfigured)
    }
  },

  receiveWhatsapp(request, { channels }) {
    channels.webhooks.whatsapp(request)
    return { ok: true }
  },

  receiveSlack: (request, { channels }) => ({ ok: true, ...channels.webhooks.slack(request) }),
}
