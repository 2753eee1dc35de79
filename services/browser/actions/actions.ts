import type { ActionName } from '#sdk/services/browser-actions.ts'
import type { Actions } from './action.ts'
import { captureActions } from './capture.ts'
import { cookieActions } from './cookies.ts'
import { evaluateActions } from './evaluate.ts'
import { fileActions } from './files.ts'
import { keyboardActions } from './keyboard.ts'
import { navigationActions } from './navigation.ts'
import { pointingActions } from './pointing.ts'
import { readingActions } from './reading.ts'
import { snapshotActions } from './snapshot.ts'
import { tabActions } from './tabs.ts'

export const actions: Actions<ActionName> = {
  ...navigationActions,
  ...pointingActions,
  ...keyboardActions,
  ...readingActions,
  ...snapshotActions,
  ...evaluateActions,
  ...cookieActions,
  ...fileActions,
  ...tabActions,
  ...captureActions,
}

/** Those that change something elsewhere: done twice they may do harm. */
const effects = new Set<ActionName>([
  'click',
  'type',
  'press_key',
  'select',
  'upload',
  'evaluate',
  'set_cookies',
  'clear_cookies',
  'dialogs',
])

/** Whether an action that a dead browser has interrupted is done again in a new one. */
export function isRepeatable(action: ActionName): boolean {
  return !effects.has(action)
}
