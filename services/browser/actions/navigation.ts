import { RuntimeError, reasonOf } from '#sdk/errors.ts'
import { failureText, isTimeout } from '../errors.ts'
import { pageLine } from '../page-text.ts'
import type { ActionContext, Actions } from './action.ts'

const errorPageMs = 1_000
const guardStatuses = new Set([403, 502])

export const navigationActions: Actions<'navigate' | 'go_back' | 'go_forward' | 'reload'> = {
  async navigate({ url, wait_until }, context) {
    const loaded = await loadAddress(url, wait_until, context)
    return { ...(await whereabouts(context)), ...loaded }
  },
  go_back: (_, context) => moveInHistory('back', context),
  go_forward: (_, context) => moveInHistory('forward', context),
  async reload(_, context) {
    await loading(context, ({ tab, timeLeft }) => tab.page.reload(timeLeft()))
    return { reloaded: true, ...(await whereabouts(context)) }
  },
}

/** Where a tab is after a load; the address is what the page says it is. */
export async function whereabouts({ tab }: Pick<ActionContext, 'tab'>) {
  return { url: tab.url, frameId: tab.targetId, title: await tab.title() }
}

/** `blocked` addresses and pages that can not be loaded are errors that say so. */
export async function loadAddress(
  address: string,
  waitUntil: 'load' | 'domcontentloaded' | 'commit',
  context: ActionContext,
): Promise<{ status: number | null; download?: true }> {
  const url = checkedAddress(address)
  const since = performance.now()
  try {
    const response = await loading(context, ({ tab, timeLeft }) =>
      tab.page.goto(url.href, { waitUntil, ...timeLeft() }),
    )
    const status = response?.status() ?? null
    // The guard's own answer, which the browser takes for the site's.
    const failure = response && guardStatuses.has(response.status()) && guardFailure(response.url(), since, context)
    if (failure) throw new RuntimeError('upstream_failed', failure)
    return { status }
  } catch (thrown) {
    // What a site sends to be saved is no page; the download goes on.
    if (/Download is starting/.test(reasonOf(thrown))) return { status: null, download: true }
    throw thrown
  }
}

/** Only http and https lead to pages; everything else would lead into the browser or this machine. */
function checkedAddress(address: string): URL {
  const url = URL.parse(address.trim())
  if (!url) throw new RuntimeError('invalid', `'${pageLine(address, 200)}' is not a valid URL`)
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new RuntimeError('forbidden', `URL scheme is blocked for security: ${url.protocol}`)
  if (url.username !== '' || url.password !== '')
    throw new RuntimeError('invalid', 'The address must not contain a user name or password')
  return url
}

async function loading<T>(context: ActionContext, load: (context: ActionContext) => Promise<T>): Promise<T> {
  const since = performance.now()
  try {
    return await load(context)
  } catch (thrown) {
    if (isTimeout(thrown)) {
      // What is still on its way would come between the page and what is done with it next.
      context.tab.cdp.send('Page.stopLoading').catch(() => {})
      const message = 'The page did not finish loading in time; what is there can be used'
      throw new RuntimeError('conflict', message, undefined, { cause: thrown })
    }
    if (/net::(?!ERR_ABORTED)/.test(reasonOf(thrown))) await errorPage(context)
    const wanted = /(?:at|navigating to ")\s*(https?:[^\s"]+)/.exec(reasonOf(thrown))?.[1]
    const failure = wanted !== undefined && guardFailure(wanted, since, context)
    if (failure) throw new RuntimeError('upstream_failed', failure, undefined, { cause: thrown })
    const text = failureText(thrown)
    throw text !== undefined && /net::/.test(reasonOf(thrown))
      ? new RuntimeError('upstream_failed', text, undefined, { cause: thrown })
      : thrown
  }
}

/** The browser's own page for what could not be loaded: it comes a little later, and between the next navigation and its page. */
async function errorPage({ tab: { page }, signal }: ActionContext): Promise<void> {
  const options = { waitUntil: 'commit', timeout: errorPageMs, signal } as const
  // That it has not come is no harm.
  await page.waitForURL(/^chrome-error:/, options).catch(() => {})
}

function guardFailure(address: string, since: number, { session }: ActionContext): string | undefined {
  const host = URL.parse(address)?.host
  return host === undefined ? undefined : session.failureSince(since, host)
}

async function moveInHistory(direction: 'back' | 'forward', context: ActionContext) {
  const { currentIndex, entries } = await context.tab.cdp.send('Page.getNavigationHistory')
  if (direction === 'back' ? currentIndex === 0 : currentIndex >= entries.length - 1)
    throw new RuntimeError('conflict', `There is no page to go ${direction} to`)
  await loading(context, ({ tab: { page }, timeLeft }) =>
    direction === 'back' ? page.goBack(timeLeft()) : page.goForward(timeLeft()),
  )
  return { navigated: direction, ...(await whereabouts(context)) }
}
