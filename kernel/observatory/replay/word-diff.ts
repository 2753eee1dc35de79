import { diffWordsWithSpace } from 'diff'
import type { ReplayReport } from '#sdk/contracts/replays.ts'

/** Beyond these two answers are not compared: in characters of both, in words that differ, in milliseconds. */
const maxChars = 200_000
const maxEdits = 4_000
const maxMs = 5_000

/** Word by word from `before` to `after`; null where that would take too long. The event loop is let go in between. */
export function wordDiff(before: string, after: string): Promise<ReplayReport['diff']> {
  if (before.length + after.length > maxChars) return Promise.resolve(null)
  return new Promise((resolve) => {
    diffWordsWithSpace(before, after, {
      maxEditLength: maxEdits,
      timeout: maxMs,
      callback: (changes) =>
        resolve(
          changes?.map(({ value: text, added, removed }) => ({
            kind: added ? 'added' : removed ? 'removed' : 'same',
            text,
          })) ?? null,
        ),
    })
  })
}
