import type { Locator } from 'playwright'
import type { ActionContext, Actions } from './action.ts'
import { locate, named, type Target, withElement } from './element.ts'

/** What is used of a page. */
interface Scrollable {
  scrollBy: (x: number, y: number) => void
}
declare const scrollBy: (by: { left: number; top: number; behavior: 'instant' }) => void
declare const scrollX: number
declare const scrollY: number

/** For an element to say where it is now, unless it is gone. */
const lateMs = 250

export const pointingActions: Actions<'click' | 'hover' | 'scroll'> = {
  async click({ selector, ref, button, count }, context) {
    const target = { selector, ref }
    const at = await pointAt(target, 'clicked', context, (locator, options) =>
      locator.click({ button, clickCount: count, ...options }),
    )
    return { ...named(target), ...at }
  },
  async hover({ selector, ref }, context) {
    const target = { selector, ref }
    return {
      ...named(target),
      ...(await pointAt(target, 'pointed at', context, (locator, options) => locator.hover(options))),
    }
  },
  async scroll({ selector, ref, x, y }, context) {
    const target = { selector, ref }
    const { page } = context.tab
    if (locate(target, context)) {
      await withElement(target, 'scrolled to', context, async (locator, options) => {
        await locator.scrollIntoViewIfNeeded(options)
        if (x !== 0 || y !== 0)
          await locator.evaluate((element: Scrollable, by) => element.scrollBy(by.x, by.y), { x, y }, options)
      })
    } else await page.evaluate((by) => scrollBy({ left: by.x, top: by.y, behavior: 'instant' }), { x, y })
    return { ...named(target), ...(await page.evaluate(() => ({ x: scrollX, y: scrollY }))) }
  },
}

interface Point {
  x: number
  y: number
}

/** Does something with the pointer over an element; the element's centre, in pixels of the visible page. */
function pointAt(
  target: Target,
  what: string,
  context: ActionContext,
  act: (locator: Locator, options: ReturnType<ActionContext['timeLeft']>) => Promise<void>,
): Promise<Point | null> {
  return withElement(target, what, context, async (locator, options) => {
    const done = act(locator, options)
    // Read while the page gets ready for it, as the element may be gone afterwards.
    const [centre] = await Promise.all([centreOf(locator, options), done])
    return isVisible(centre, context) ? centre : ((await centreOf(locator, { ...options, timeout: lateMs })) ?? centre)
  })
}

async function centreOf(locator: Locator, options: ReturnType<ActionContext['timeLeft']>): Promise<Point | null> {
  const box = await locator.boundingBox(options).catch(() => null)
  return box && { x: box.x + box.width / 2, y: box.y + box.height / 2 }
}

/** It was scrolled to otherwise, and is somewhere else now. */
function isVisible(point: Point | null, { tab }: ActionContext): boolean {
  const size = tab.page.viewportSize()
  return !point || !size || (point.x >= 0 && point.y >= 0 && point.x < size.width && point.y < size.height)
}
