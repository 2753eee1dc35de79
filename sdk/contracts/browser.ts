import { z } from 'zod'
import { get, post } from '../route.ts'
import { count, jsonObject, time } from './values.ts'

const maxUrlLength = 4096
const maxSelectorLength = 500
const maxTextLength = 65_536
const maxExpressionLength = 100_000
const maxWaitMs = 60_000

const selector = z
  .string()
  .min(1)
  .max(maxSelectorLength, `exceeds max length (${maxSelectorLength})`)
  .regex(/^[^{}]*$/, 'must not contain braces')

/** Keyed by the name in lower case without underscores, as callers spell it in several ways. */
const actionFields = {
  navigate: { url: z.string().min(1).max(maxUrlLength) },
  click: { selector },
  type: { selector, text: z.string().max(maxTextLength) },
  screenshot: {},
  pdf: {},
  evaluate: { expression: z.string().min(1).max(maxExpressionLength) },
  getcookies: {},
  clearcookies: {},
  readpage: {},
  goback: {},
  goforward: {},
  reload: {},
  waitfor: { selector, timeout_ms: z.int().min(1).max(maxWaitMs).optional() },
  select: { selector, value: z.string().max(maxTextLength) },
  scroll: { x: z.number().default(0), y: z.number().default(0) },
  hover: { selector },
  presskey: { key: z.string().min(1).max(64) },
  gethtml: {},
}

type ActionKey = keyof typeof actionFields

function action<K extends ActionKey>(key: K) {
  return z.object({ action: z.literal(key), ...actionFields[key] })
}

/** `GetCookies`, `get_cookies` and `getcookies` are one action; `script` is another name of `expression`. */
function withPlainName(given: unknown): unknown {
  if (typeof given !== 'object' || given === null || !('action' in given) || typeof given.action !== 'string') {
    return given
  }
  const script = 'script' in given && !('expression' in given) ? { expression: given.script } : {}
  return { ...given, ...script, action: given.action.replaceAll('_', '').toLowerCase() }
}

export const browserAction = z.preprocess(
  withPlainName,
  z.discriminatedUnion('action', [
    action('navigate'),
    action('click'),
    action('type'),
    action('screenshot'),
    action('pdf'),
    action('evaluate'),
    action('getcookies'),
    action('clearcookies'),
    action('readpage'),
    action('goback'),
    action('goforward'),
    action('reload'),
    action('waitfor'),
    action('select'),
    action('scroll'),
    action('hover'),
    action('presskey'),
    action('gethtml'),
  ]),
)
export type BrowserAction = z.infer<typeof browserAction>

export const browserRoutes = {
  getBrowserStatus: get('/api/browser/status', {
    summary: 'Browser session status',
    response: z.object({
      running: z.boolean(),
      enabled: z.boolean(),
      headless: z.boolean(),
      cdp_port: count,
      pid: count.nullable(),
      url: z.string().nullable(),
      title: z.string().nullable(),
      browser_version: z.string().nullable(),
      started_at: time.nullable(),
    }),
  }),
  startBrowser: post('/api/browser/start', {
    summary: 'Start headless browser',
    response: z.object({ status: z.enum(['started', 'already_running']), cdp_port: count }),
  }),
  stopBrowser: post('/api/browser/stop', {
    summary: 'Stop browser session',
    response: z.object({ status: z.literal('stopped') }),
  }),
  runBrowserAction: post('/api/browser/action', {
    summary: 'Execute browser action',
    body: browserAction,
    response: z.object({
      /** In snake_case, however it was asked for. */
      action: z.string(),
      success: z.boolean(),
      data: jsonObject.nullable(),
      error: z.string().nullable(),
    }),
  }),
}
