import { costSummary } from './costs.ts'
import { countSessions, listSessions } from './sessions.ts'

/** The reads whose time grows with the data; they run on the reader pool, never on the event loop. */
export const longReads = { listSessions, countSessions, costSummary }

export type LongReads = typeof longReads
