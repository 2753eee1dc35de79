import { RuntimeError } from '#sdk/errors.ts'
import { browserBounds } from '#sdk/services/browser-actions.ts'
import type { ActionContext, Actions } from './action.ts'
import { locate, withElement } from './element.ts'

/** Of a full page, in pixels: what is below is left out. */
const maxHeight = 16_384
const streamPart = 262_144

export const captureActions: Actions<'screenshot' | 'pdf'> = {
  async screenshot({ selector, ref, full_page, format }, context) {
    const target = { selector, ref }
    const picture = locate(target, context)
      ? await withElement(target, 'pictured', context, (locator, options) =>
          locator.screenshot({ type: format, ...options }),
        )
      : await context.tab.page.screenshot({
          type: format,
          ...context.timeLeft(),
          ...(full_page && (await wholePage(context))),
        })
    if (picture.length > browserBounds.imageBytes) throw tooLarge('picture')
    const data = picture.toString('base64')
    return { format, data_base64_length: data.length, approximate_bytes: picture.length, data }
  },
  async pdf({ landscape }, { tab: { cdp } }) {
    const { stream } = await cdp.send('Page.printToPDF', {
      landscape,
      printBackground: true,
      transferMode: 'ReturnAsStream',
    })
    const handle = stream ?? ''
    const parts: Buffer[] = []
    let bytes = 0
    try {
      for (let eof = false; !eof; ) {
        const part = await cdp.send('IO.read', { handle, size: streamPart })
        eof = part.eof
        parts.push(Buffer.from(part.data, part.base64Encoded ? 'base64' : 'latin1'))
        bytes += parts.at(-1)?.length ?? 0
        if (bytes > browserBounds.imageBytes) throw tooLarge('PDF')
      }
    } finally {
      // The page, and the stream with it, may be gone.
      await cdp.send('IO.close', { handle }).catch(() => {})
    }
    const data = Buffer.concat(parts).toString('base64')
    return { data_base64_length: data.length, data }
  },
}

async function wholePage({ tab: { cdp } }: ActionContext) {
  const { cssContentSize } = await cdp.send('Page.getLayoutMetrics')
  const { width, height } = cssContentSize
  return height <= maxHeight && width <= maxHeight
    ? { fullPage: true }
    : { fullPage: true, clip: { x: 0, y: 0, width: Math.min(width, maxHeight), height: Math.min(height, maxHeight) } }
}

function tooLarge(what: string): RuntimeError {
  return new RuntimeError('too_large', `The ${what} has more than ${browserBounds.imageBytes} bytes`)
}
