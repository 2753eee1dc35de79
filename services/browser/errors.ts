import { RuntimeError, reasonOf } from '#sdk/errors.ts'
import { pageLine } from './page-text.ts'

/** The browser has ended, or the session's part of it, while something was done in it. */
export class BrowserLost extends Error {}

/** What Playwright says when a page, a context or the whole browser goes away beneath it. */
const gone = /has been closed|Target crashed|Page crashed|The browser has ended|Session closed|Connection closed/

/** What Chromium says, in words for people. */
const netErrors: Record<string, string> = {
  ERR_ABORTED: 'the page was not loaded: the navigation was given up',
  ERR_CERT_AUTHORITY_INVALID: 'the certificate of the site is not trusted',
  ERR_CERT_COMMON_NAME_INVALID: 'the certificate belongs to another site',
  ERR_CERT_DATE_INVALID: 'the certificate of the site has expired',
  ERR_CONNECTION_REFUSED: 'the site refuses connections',
  ERR_EMPTY_RESPONSE: 'the site closed the connection without an answer',
  ERR_HTTP_RESPONSE_CODE_FAILURE: 'the site answered with an error and no page',
  ERR_INVALID_AUTH_CREDENTIALS: 'the site asks for a user name and a password',
  ERR_NAME_NOT_RESOLVED: 'there is no such host',
  ERR_TOO_MANY_REDIRECTS: 'the address redirects in a circle',
  ERR_TUNNEL_CONNECTION_FAILED: 'the site could not be reached',
  ERR_UNSAFE_PORT: 'the port is not one for web pages',
}

/** Why an element could not be acted on, as Playwright's log of its attempts has it. */
const obstacles: [RegExp, string][] = [
  [/intercepts pointer events/, 'another element covers it'],
  [/element is not enabled/, 'it is disabled'],
  [/element is not visible/, 'it is not visible'],
  [/element is not stable/, 'it keeps moving'],
  [/outside of the viewport/, 'it is outside of the visible page'],
  [/not editable|readonly/i, 'it can not be edited'],
  [/did not find some options/, 'it has no such option'],
]

export function isGone(thrown: unknown): boolean {
  return thrown instanceof Error && (thrown instanceof BrowserLost || gone.test(thrown.message))
}

/** Something has taken too long; also when it has been put into other words. */
export function isTimeout(thrown: unknown): boolean {
  if (!(thrown instanceof Error)) return false
  return thrown.name === 'TimeoutError' || (thrown instanceof RuntimeError && isTimeout(thrown.cause))
}

/** What an action that has failed tells its caller; undefined for what nobody expected. */
export function failureText(thrown: unknown): string | undefined {
  if (thrown instanceof RuntimeError) return thrown.kind === 'internal' ? undefined : thrown.message
  if (!(thrown instanceof Error)) return undefined
  const net = /net::(ERR_\w+)/.exec(thrown.message)?.[1]
  if (net !== undefined) return `${netErrors[net] ?? 'the page could not be loaded'} (${net})`
  if (isGone(thrown)) return 'the page crashed or was closed meanwhile'
  // The rest of it is a log of what was tried, with what the page has in it.
  const [line = ''] = thrown.message.split('\n')
  return isPlaywrightError(thrown) ? pageLine(line.replace(/^[\w.]+: (?:Error: )?/, '')) : undefined
}

function isPlaywrightError({ message }: Error): boolean {
  return /^(?:page|locator|frame|keyboard|mouse|browserContext|cdpSession|browser)\.\w+: /.test(message)
}

/** Why nothing could be done with an element that is there. */
export function obstacleOf(thrown: unknown): string {
  const found = obstacles.find(([shape]) => shape.test(reasonOf(thrown)))
  return found?.[1] ?? 'it did not become ready'
}
