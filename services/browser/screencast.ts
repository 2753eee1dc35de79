import { setTimeout as delay } from 'node:timers/promises'
import type { z } from 'zod'
import { timestamp } from '#sdk/ids.ts'
import type { Chunk } from '#sdk/service.ts'
import type { browserService } from '#sdk/services/browser.ts'
import type { Session } from './session.ts'
import type { Tab } from './tab.ts'

type Watch = (typeof browserService)['methods']['watch']
type Frame = Chunk<Watch>
/** How often a session that has no page just now is looked at again. */
const emptyMs = 200

/**
 * Frames of whichever tab of the session is active, until the signal or the end of the session. The browser paints the
 * next one only after the last was taken: a slow watcher gets fewer, and none of them waits anywhere.
 */
export async function watchSession(
  session: Session,
  options: z.output<Watch['params']>,
  { signal, emit }: { signal: AbortSignal; emit: (frame: Frame) => Promise<void> },
): Promise<void> {
  while (!signal.aborted && !session.isClosed && session.running.browser.isConnected()) {
    const tab = session.tabs.current
    if (tab?.isUsable) await castTab(tab, options, AbortSignal.any([signal, session.tabs.changed]), emit)
    else await delay(emptyMs, undefined, { signal }).catch(() => {})
  }
}

/** Until the signal, or the end of the tab. */
async function castTab(
  tab: Tab,
  { fps, width, quality }: z.output<Watch['params']>,
  signal: AbortSignal,
  emit: (frame: Frame) => Promise<void>,
): Promise<void> {
  // Of its own, as several may watch the same tab in different sizes.
  const cdp = await tab.page.context().newCDPSession(tab.page)
  const { promise: ended, resolve: end, reject: fail } = Promise.withResolvers<void>()
  const onEnd = () => end()
  signal.addEventListener('abort', onEnd, { once: true })
  tab.page.once('close', onEnd)
  tab.page.once('crash', onEnd)
  cdp.on('Page.screencastFrame', ({ data, metadata, sessionId }) => {
    const next = delay(1_000 / fps, undefined, { signal })
    next.catch(() => {})
    const frame = async () => {
      const { deviceWidth, deviceHeight } = metadata
      const { url } = tab
      await emit({ data, width: deviceWidth, height: deviceHeight, url, title: await tab.title(), at: timestamp() })
      await next
      await cdp.send('Page.screencastFrameAck', { sessionId })
    }
    frame().catch((thrown) => {
      if (signal.aborted || !tab.isUsable) end()
      else fail(thrown)
    })
  })
  try {
    if (signal.aborted) return
    await cdp.send('Page.startScreencast', { format: 'jpeg', quality, maxWidth: width, maxHeight: width })
    await ended
  } finally {
    signal.removeEventListener('abort', onEnd)
    tab.page.off('close', onEnd)
    tab.page.off('crash', onEnd)
    // The tab may be what has ended.
    await cdp.detach().catch(() => {})
  }
}
