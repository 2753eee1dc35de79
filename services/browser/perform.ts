import { z } from 'zod'
import { RuntimeError } from '#sdk/errors.ts'
import type { ActionRequest, ActionResult } from '#sdk/services/browser.ts'
import { browserActions } from '#sdk/services/browser-actions.ts'
import { activeSpan } from '#sdk/telemetry/tracing.ts'
import type { ActionContext } from './actions/action.ts'
import { actions, isRepeatable } from './actions/actions.ts'
import { untilAborted } from './deadline.ts'
import { BrowserLost, failureText, isGone } from './errors.ts'
import type { Session } from './session.ts'

/** A browser that dies is known to be dead only a little after what it was doing has failed. */
const deathMs = 250

/** One action, once, in its turn; `endsAt` by the clock of `performance.now()`. What fails is a result; `BrowserLost` and the signal's reason are thrown. */
export async function actOnce(
  session: Session,
  request: ActionRequest,
  { endsAt, signal }: { endsAt: number; signal: AbortSignal },
): Promise<ActionResult> {
  activeSpan()?.set({ 'keel.browser.action': request.action })
  const timeLeft = () => ({ timeout: Math.max(1, Math.floor(endsAt - performance.now())), signal })
  try {
    const data = await session.inTurn(signal, async () => {
      session.assertThere()
      const tab = await session.tabs.active()
      return await untilAborted(tab.crashed, () => run(request, { session, tab, signal, timeLeft }))
    })
    return { success: true, data, error: null, notices: session.notices.take() }
  } catch (thrown) {
    if (signal.aborted) throw thrown
    if (isGone(thrown) && (await isDead(session))) throw new BrowserLost('The browser has ended', { cause: thrown })
    const error = failureText(thrown)
    if (error === undefined) throw thrown
    return { success: false, data: null, error, notices: session.notices.take() }
  }
}

async function run({ action, fields }: ActionRequest, context: ActionContext): Promise<Record<string, unknown>> {
  const parsed = browserActions[action].safeParse(fields)
  if (!parsed.success) throw new RuntimeError('invalid', z.prettifyError(parsed.error))
  // The table gives schema and action the same name, which the compiler can not follow through a union.
  const perform = actions[action] as (fields: unknown, context: ActionContext) => Promise<Record<string, unknown>>
  const data = await perform(parsed.data, context)
  if (action === 'navigate' || !isRepeatable(action)) await context.session.saveProfile()
  return data
}

async function isDead({ running, isClosed }: Session): Promise<boolean> {
  if (isClosed || !running.browser.isConnected()) return true
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const timer = setTimeout(() => resolve(false), deathMs)
  running.ended.then(() => resolve(true))
  const dead = await promise
  clearTimeout(timer)
  return dead || !running.browser.isConnected()
}
