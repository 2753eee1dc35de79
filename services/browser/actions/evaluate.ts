import { RuntimeError } from '#sdk/errors.ts'
import { browserBounds } from '#sdk/services/browser-actions.ts'
import { pageText } from '../page-text.ts'
import type { Actions } from './action.ts'
import { describeValue } from './describe-value.ts'

const bounds = { depth: 24, nodes: 20_000, length: browserBounds.outputBytes }
const maxErrorLength = 4_096

type Described = Record<string, unknown> & { description?: string }

/** What a script says, as a remote object of the DevTools protocol; promises are waited for. */
export const evaluateActions: Actions<'evaluate'> = {
  async evaluate({ expression }, { tab }) {
    const run = async (script: string) =>
      tab.cdp.send('Runtime.evaluate', {
        expression: bounded(script),
        awaitPromise: true,
        returnByValue: true,
        userGesture: true,
      })
    // As an expression, in which `await` may stand; what is none is a script, and its last value counts.
    const first = await run(`(\n${expression}\n)`)
    const { result, exceptionDetails } = first.exceptionDetails
      ? await run(`(0, eval)(${JSON.stringify(expression)})`)
      : first
    if (exceptionDetails) throw failed(exceptionDetails.text)
    const outcome = result.value as { thrown: Described } | { told: Described }
    if ('told' in outcome) return outcome.told
    const { description, value } = outcome.thrown
    throw failed(description ?? (typeof value === 'string' ? value : JSON.stringify(value)))
  },
}

/** A script whose outcome is weighed in the page before it is sent: it may be larger than this process. */
function bounded(script: string): string {
  return `(async () => {
    const describe = ${describeValue}
    try { return { told: describe(await ${script}, ${JSON.stringify(bounds)}) } }
    catch (thrown) { return { thrown: describe(thrown, ${JSON.stringify({ ...bounds, length: maxErrorLength })}) } }
  })()`
}

function failed(text: string): RuntimeError {
  return new RuntimeError('unprocessable', pageText(text, maxErrorLength))
}
