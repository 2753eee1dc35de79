import { RuntimeError } from '#sdk/errors.ts'
import type { ActionContext, Actions } from './action.ts'
import { describe, findElement, locate, locateOne, named, type Target, withElement } from './element.ts'

/** What is used of a page. */
interface Scrollable {
  scrollBy: (x: number, y: number) => void
}
declare const scrollBy: (by: { left: number; top: number; behavior: 'instant' }) => void
declare const scrollX: number
declare const scrollY: number

export const pointingActions: Actions<'click' | 'hover' | 'scroll'> = {
  async click({ selector, ref, button, count }, context) {
    const target = { selector, ref }
    const locator = locateOne(target, context)
    const at = await centreOf(target, context)
    await withElement(target, 'clicked', () => locator.click({ button, clickCount: count, ...context.timeLeft() }))
    return { ...named(target), ...at }
  },
  async hover({ selector, ref }, context) {
    const target = { selector, ref }
    const locator = locateOne(target, context)
    const at = await centreOf(target, context)
    await withElement(target, 'pointed at', () => locator.hover(context.timeLeft()))
    return { ...named(target), ...at }
  },
  async scroll({ selector, ref, x, y }, context) {
    const target = { selector, ref }
    const locator = locate(target, context)
    const { page } = context.tab
    if (locator) {
      await findElement(target, locator, context)
      await withElement(target, 'scrolled to', () => locator.scrollIntoViewIfNeeded(context.timeLeft()))
    }
    if (locator && (x !== 0 || y !== 0)) {
      await withElement(target, 'scrolled in', () =>
        locator.evaluate((element: Scrollable, by) => element.scrollBy(by.x, by.y), { x, y }, context.timeLeft()),
      )
    } else if (!locator) await page.evaluate((by) => scrollBy({ left: by.x, top: by.y, behavior: 'instant' }), { x, y })
    return { ...named(target), ...(await page.evaluate(() => ({ x: scrollX, y: scrollY }))) }
  },
}

/** In pixels of the visible page, into which the element is scrolled when it is outside. */
async function centreOf(target: Target, context: ActionContext): Promise<{ x: number; y: number }> {
  const locator = locateOne(target, context)
  let box = await findElement(target, locator, context)
  const size = context.tab.page.viewportSize()
  if (box && size && (box.y < 0 || box.x < 0 || box.y + box.height > size.height || box.x + box.width > size.width)) {
    await withElement(target, 'scrolled to', () => locator.scrollIntoViewIfNeeded(context.timeLeft()))
    box = await findElement(target, locator, context)
  }
  if (!box) throw new RuntimeError('conflict', `${describe(target)} is not visible`)
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 }
}
