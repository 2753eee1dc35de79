import { z } from 'zod'
import { channelBounds } from '../channels/message.ts'
import { get, post } from '../route.ts'

const accepted = z.object({ ok: z.literal(true) })
const maxHookTextLength = 4096
const hookText = z.string().max(maxHookTextLength).optional()

export const webhooksRoutes = {
  receiveTelegram: post('/api/webhooks/telegram', {
    summary: 'Telegram webhook receiver',
    auth: 'public',
    errors: 'ok_false',
    rawBody: true,
    maxBodyBytes: channelBounds.webhookBytes,
    response: accepted,
  }),
  verifyWhatsapp: get('/api/webhooks/whatsapp', {
    summary: 'WhatsApp verify endpoint',
    auth: 'public',
    errors: 'ok_false',
    kind: 'text',
    query: z.object({ 'hub.mode': hookText, 'hub.verify_token': hookText, 'hub.challenge': hookText }),
    /** The challenge, bare. */
    response: z.string(),
  }),
  receiveWhatsapp: post('/api/webhooks/whatsapp', {
    summary: 'WhatsApp webhook receiver',
    auth: 'public',
    errors: 'ok_false',
    rawBody: true,
    maxBodyBytes: channelBounds.webhookBytes,
    unreadable: 'body too large or invalid',
    response: accepted,
  }),
  receiveSlack: post('/api/webhooks/slack', {
    summary: 'Slack events receiver',
    auth: 'public',
    errors: 'ok_false',
    rawBody: true,
    maxBodyBytes: channelBounds.webhookBytes,
    /** `challenge` where Slack verifies the address. */
    response: z.object({ ok: z.literal(true), challenge: z.string().optional() }),
  }),
}
