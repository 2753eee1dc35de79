import type { Locator } from 'playwright'
import { cutOutput } from '#sdk/cut-output.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { browserBounds } from '#sdk/services/browser-actions.ts'
import { pageText } from '../page-text.ts'
import { diffSnapshots } from '../snapshot-diff.ts'
import type { Actions } from './action.ts'
import { locate, named, withElement } from './element.ts'
import { whereabouts } from './navigation.ts'

/** Of the snapshot that a difference is told against. */
const maxLength = 4 * browserBounds.outputBytes

/** What a page has for those who do not see it, with a reference for each element that can be acted on. */
export const snapshotActions: Actions<'snapshot'> = {
  async snapshot({ selector, ref, diff }, context) {
    const target = { selector, ref }
    const { tab, timeLeft } = context
    const isPart = locate(target, context) !== undefined
    if (diff && isPart) throw new RuntimeError('invalid', 'diff is of whole pages: leave selector and ref out')
    const [taken, place] = await Promise.all([
      isPart
        ? withElement(target, 'read', context, (locator, options) => partOf(locator, options))
        : tab.page.ariaSnapshot({ mode: 'ai', ...timeLeft() }),
      whereabouts(context),
    ])
    const snapshot = pageText(taken, maxLength)
    const where = { ...named(target), ...place }
    const before = tab.lastSnapshot
    if (!isPart) tab.lastSnapshot = snapshot
    if (!diff || before === undefined) return { ...where, ...cut('snapshot', snapshot) }
    const { diff: changes, ...counts } = diffSnapshots(before, snapshot)
    return { ...where, ...cut('diff', changes), ...counts }
  },
}

/** A snapshot for models does not wait for its element by itself. */
async function partOf(locator: Locator, options: { timeout: number; signal: AbortSignal }): Promise<string> {
  await locator.waitFor({ state: 'attached', ...options })
  return await locator.ariaSnapshot({ mode: 'ai', ...options })
}

function cut(name: 'snapshot' | 'diff', text: string) {
  const { outputBytes } = browserBounds
  return { [name]: cutOutput(text, outputBytes), truncated: Buffer.byteLength(text) > outputBytes }
}
