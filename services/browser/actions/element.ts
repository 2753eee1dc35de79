import type { Locator } from 'playwright'
import { RuntimeError, reasonOf } from '#sdk/errors.ts'
import { isTimeout, obstacleOf } from '../errors.ts'
import type { ActionContext } from './action.ts'

/** What is not there is waited for so long; whoever wants more has `wait_for`. */
const findMs = 5_000

export interface Target {
  selector?: string | undefined
  ref?: string | undefined
}

/** An element by CSS, by `text=` and what it says, or by its reference. None of these reaches beyond the page. */
export function locate({ selector, ref }: Target, { tab: { page } }: Pick<ActionContext, 'tab'>): Locator | undefined {
  if (ref !== undefined) return page.getByRef(ref)
  if (selector === undefined) return undefined
  if (selector.startsWith('text=')) return page.getByText(selector.slice('text='.length)).first()
  if (selector.includes('>>')) throw new RuntimeError('invalid', `selector '${selector}' must not contain '>>'`)
  return page.locator(`css=${selector}`).first()
}

/** As `locate`, for actions that need one. */
function locateOne(target: Target, context: Pick<ActionContext, 'tab'>): Locator {
  const locator = locate(target, context)
  if (!locator) throw new RuntimeError('invalid', 'selector or ref is required')
  return locator
}

/** Which of both was given. */
export function named({ selector, ref }: Target): Target {
  return { ...(selector !== undefined && { selector }), ...(ref !== undefined && { ref }) }
}

type Options = ReturnType<ActionContext['timeLeft']>

/**
 * Does something with an element: waits a moment for it to be there, and then as long as there is time for it to be
 * ready. `not_found`, or `conflict` with what stood in the way.
 */
export async function withElement<T>(
  target: Target,
  what: string,
  context: ActionContext,
  act: (locator: Locator, options: Options) => Promise<T>,
): Promise<T> {
  const locator = locateOne(target, context)
  const { timeout, signal } = context.timeLeft()
  try {
    return await act(locator, { timeout: Math.min(timeout, findMs), signal })
  } catch (thrown) {
    if (isStaleRef(thrown)) throw notFound(target, thrown)
    if (!isTimeout(thrown)) throw selectorError(target, thrown)
    if ((await locator.count()) === 0) throw notFound(target, thrown)
    const left = context.timeLeft()
    if (left.timeout <= 1) throw notReady(target, what, thrown)
    return await act(locator, left).catch((again) => {
      throw isTimeout(again) ? notReady(target, what, again) : again
    })
  }
}

export function describe({ selector, ref }: Target): string {
  return ref === undefined ? `selector '${selector}'` : `ref '${ref}'`
}

function notReady(target: Target, what: string, cause: unknown): RuntimeError {
  const message = `${describe(target)} could not be ${what}: ${obstacleOf(cause)}`
  return new RuntimeError('conflict', message, undefined, { cause })
}

function notFound(target: Target, cause: unknown): RuntimeError {
  const advice = target.ref === undefined ? '' : '; take a new snapshot'
  return new RuntimeError('not_found', `${describe(target)} not found on page${advice}`, undefined, { cause })
}

function isStaleRef(thrown: unknown): boolean {
  return /aria-ref|Ref .* not found/i.test(reasonOf(thrown))
}

function selectorError(target: Target, thrown: unknown): unknown {
  if (!/while parsing|is not a valid selector|Unexpected token|Malformed/i.test(reasonOf(thrown))) return thrown
  return new RuntimeError('invalid', `${describe(target)} is not a valid selector`, undefined, { cause: thrown })
}
