import type { z } from 'zod'
import type { ActionName, browserActions } from '#sdk/services/browser-actions.ts'
import type { Session } from '../session.ts'
import type { Tab } from '../tab.ts'

/** What an action has beside its fields. */
export interface ActionContext {
  session: Session
  /** The active one. */
  tab: Tab
  /** Aborted a moment after the action's deadline, and when its caller turns away. */
  signal: AbortSignal
  /** What is left of the action's time: what gives up by itself then can say why. */
  timeLeft: () => { timeout: number; signal: AbortSignal }
}

export type ActionFields<K extends ActionName> = z.output<(typeof browserActions)[K]>

export type Actions<K extends ActionName> = {
  [Name in K]: (fields: ActionFields<Name>, context: ActionContext) => Promise<Record<string, unknown>>
}
