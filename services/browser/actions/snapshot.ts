import { cutOutput } from '#sdk/cut-output.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { browserBounds } from '#sdk/services/browser-actions.ts'
import { pageText } from '../page-text.ts'
import { diffSnapshots } from '../snapshot-diff.ts'
import type { Actions } from './action.ts'
import { findElement, locate, named } from './element.ts'
import { whereabouts } from './navigation.ts'

/** Of the snapshot that a difference is told against. */
const maxLength = 4 * browserBounds.outputBytes

/** What a page has for those who do not see it, with a reference for each element that can be acted on. */
export const snapshotActions: Actions<'snapshot'> = {
  async snapshot({ selector, ref, diff }, context) {
    const target = { selector, ref }
    const { tab, timeLeft } = context
    const locator = locate(target, context)
    if (diff && locator) throw new RuntimeError('invalid', 'diff is of whole pages: leave selector and ref out')
    if (locator) await findElement(target, locator, context)
    const taken = await (locator ?? tab.page).ariaSnapshot({ mode: 'ai', ...timeLeft() })
    const snapshot = pageText(taken, maxLength)
    const where = { ...named(target), ...(await whereabouts(context)) }
    const before = tab.lastSnapshot
    if (!locator) tab.lastSnapshot = snapshot
    if (!diff || before === undefined) return { ...where, ...cut('snapshot', snapshot) }
    const { diff: changes, ...counts } = diffSnapshots(before, snapshot)
    return { ...where, ...cut('diff', changes), ...counts }
  },
}

function cut(name: 'snapshot' | 'diff', text: string) {
  const { outputBytes } = browserBounds
  return { [name]: cutOutput(text, outputBytes), truncated: Buffer.byteLength(text) > outputBytes }
}
