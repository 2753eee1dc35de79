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
export function locateOne(target: Target, context: Pick<ActionContext, 'tab'>): Locator {
  const locator = locate(target, context)
  if (!locator) throw new RuntimeError('invalid', 'selector or ref is required')
  return locator
}

/** Which of both was given. */
export function named({ selector, ref }: Target): Target {
  return { ...(selector !== undefined && { selector }), ...(ref !== undefined && { ref }) }
}

interface Box {
  x: number
  y: number
  width: number
  height: number
}

/** Waits a moment for the element; where it is in the visible page, or null for one that takes no room. */
export async function findElement(target: Target, locator: Locator, { timeLeft }: ActionContext): Promise<Box | null> {
  const { timeout, signal } = timeLeft()
  try {
    return await locator.boundingBox({ timeout: Math.min(timeout, findMs), signal })
  } catch (thrown) {
    throw isTimeout(thrown) || isStaleRef(thrown) ? notFound(target, thrown) : selectorError(target, thrown)
  }
}

/** Does something with an element that is there, and says what stood in the way when that takes too long. */
export async function withElement<T>(target: Target, what: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (thrown) {
    if (!isTimeout(thrown)) throw selectorError(target, thrown)
    throw new RuntimeError('conflict', `${describe(target)} could not be ${what}: ${obstacleOf(thrown)}`, undefined, {
      cause: thrown,
    })
  }
}

export function describe({ selector, ref }: Target): string {
  return ref === undefined ? `selector '${selector}'` : `ref '${ref}'`
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
