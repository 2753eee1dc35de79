import type { Context } from '#kernel/context.ts'
import type { Handlers } from '#kernel/http/handler.ts'
import type { eventsRoutes } from '#sdk/contracts/events.ts'
import { eventFrame } from '#sdk/events.ts'

export const eventsHandlers: Handlers<typeof eventsRoutes, Pick<Context, 'bus' | 'tickets'>> = {
  createTicket: (_, { tickets }) => tickets.issue(),

  listEvents({ query }, { bus }) {
    const { since, epoch, limit, types } = query
    const wanted = types === undefined ? null : new Set(types.split(','))
    const page = bus.since(since, { limit, ...(epoch === undefined ? {} : { epoch }) })
    const last_seq = page.events.at(-1)?.seq ?? page.gap?.to ?? since
    return {
      events: page.events
        .filter(({ type }) => wanted === null || wanted.has(type))
        .map(({ text }) => eventFrame.parse(JSON.parse(text))),
      epoch: bus.position.epoch,
      last_seq,
      gap: page.gap !== undefined,
    }
  },
}
