import { cutOutput } from '#sdk/cut-output.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { browserBounds } from '#sdk/services/browser-actions.ts'
import { isTimeout } from '../errors.ts'
import { pageLine, pageText } from '../page-text.ts'
import type { Actions } from './action.ts'
import { describe, locate, named, withElement } from './element.ts'

/** What is used of a page. */
declare const document: {
  title: string
  body: { innerText: string } | null
  documentElement: { outerHTML: string } | null
}

const { pageTextLength, outputBytes } = browserBounds

export const readingActions: Actions<'read_page' | 'get_html' | 'wait_for'> = {
  async read_page(_, { tab }) {
    const read = await tab.page.evaluate((most) => {
      const text = document.body?.innerText ?? ''
      return {
        title: document.title.slice(0, most),
        text: text.slice(0, most),
        text_length: text.length,
        html_length: document.documentElement?.outerHTML.length ?? 0,
      }
    }, pageTextLength)
    return {
      url: tab.url,
      title: pageLine(read.title),
      text: pageText(read.text, pageTextLength),
      html_length: read.html_length,
      truncated: read.text_length > pageTextLength,
    }
  },
  async get_html({ selector, ref }, context) {
    const target = { selector, ref }
    const whole = selector === undefined && ref === undefined
    const read = await withElement(whole ? { selector: 'html' } : target, 'read', context, (locator, options) =>
      locator.evaluate(
        (element: { outerHTML: string }, most) => ({
          html: element.outerHTML.slice(0, most),
          length: element.outerHTML.length,
        }),
        outputBytes,
        options,
      ),
    )
    const html = cutOutput(pageText(read.html, outputBytes), outputBytes)
    return { ...named(target), html, html_length: read.length, truncated: html.length < read.length }
  },
  async wait_for({ selector, ref, text, state, timeout_ms }, context) {
    const target = { selector, ref }
    const locator = locate(target, context) ?? (text !== undefined && context.tab.page.getByText(text).first())
    if (!locator) throw new RuntimeError('invalid', 'selector, ref or text is required')
    const { timeout, signal } = context.timeLeft()
    const startedAt = performance.now()
    try {
      await locator.waitFor({ state, timeout: Math.min(timeout_ms ?? timeout, timeout), signal })
    } catch (thrown) {
      if (!isTimeout(thrown)) throw thrown
      const what = selector === undefined && ref === undefined ? `text '${text}'` : describe(target)
      throw new RuntimeError('not_found', `${what} did not become ${state} in time`, undefined, { cause: thrown })
    }
    const waited_ms = Math.round(performance.now() - startedAt)
    return { ...named(target), ...(text !== undefined && { text }), state, waited_ms }
  },
}
