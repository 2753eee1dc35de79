import type { Deliver } from '#kernel/store/cron-claims.ts'

/** The dashboard hears of a run by its event, so nothing is stored for it. */
export const deliver: Deliver = ({ channel }) => (channel === 'web' ? null : `there is no channel ${channel}`)
