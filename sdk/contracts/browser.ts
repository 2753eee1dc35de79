import { z } from 'zod'
import { del, get, post } from '../route.ts'
import { browserState, pageNotice } from '../services/browser.ts'
import {
  type ActionName,
  actionNames,
  actionOptions,
  browserActions,
  fieldsProblem,
} from '../services/browser-actions.ts'
import { count, jsonObject, time } from './values.ts'

/** `GetCookies`, `get_cookies` and `getcookies` are one action. */
const nameByPlainName = new Map(actionNames.map((name) => [plainName(name), name]))

function plainName(name: string): string {
  return name.replaceAll('_', '').toLowerCase()
}

/** The action under its name in snake_case; `script` is another name of `expression`. */
function withOneName(given: unknown): unknown {
  if (typeof given !== 'object' || given === null || !('action' in given) || typeof given.action !== 'string')
    return given
  const script = 'script' in given && !('expression' in given) ? { expression: given.script } : {}
  return { ...given, ...script, action: nameByPlainName.get(plainName(given.action)) ?? given.action }
}

type Fields<K extends ActionName> = keyof (typeof browserActions)[K]['shape'] extends never
  ? unknown
  : z.output<(typeof browserActions)[K]>

/** An action under its name in snake_case, with its fields. */
export type BrowserAction = {
  [K in ActionName]: { action: K } & Fields<K> & z.output<z.ZodObject<typeof actionOptions>>
}[ActionName]

const variants = actionNames.map((name) =>
  z.object({ action: z.literal(name), ...browserActions[name].shape, ...actionOptions }),
) as unknown as [z.ZodObject<{ action: z.ZodLiteral<ActionName> }>]

const anyAction = z
  .discriminatedUnion('action', variants, {
    error: ({ code }) => (code === 'invalid_union' ? 'must be one of the known actions' : undefined),
  })
  .superRefine(({ action, ...fields }, context) => {
    const problem = fieldsProblem(action, fields)
    if (problem) context.addIssue({ code: 'custom', path: [problem.field], message: problem.message })
  })

export const browserAction = z.preprocess(withOneName, anyAction) as unknown as z.ZodType<
  BrowserAction,
  { action: string } & Record<string, unknown>
>

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
      executable: z.string().nullable(),
      sessions: browserState.shape.sessions,
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
    bodyError: 'unprocessable',
    response: z.object({
      /** In snake_case, however it was asked for. */
      action: z.string(),
      success: z.boolean(),
      data: jsonObject.nullable(),
      error: z.string().nullable(),
      /** What the page did of itself since the last action. */
      notices: z.array(pageNotice),
    }),
  }),
  closeBrowserSession: del('/api/browser/sessions/:session', {
    summary: 'Close a browser session',
    response: z.object({ closed: z.literal(true), session: z.string() }),
  }),
  listBrowserProfiles: get('/api/browser/profiles', {
    summary: 'Browser profiles that are kept',
    response: z.object({ profiles: z.array(z.object({ name: z.string() })) }),
  }),
  deleteBrowserProfile: del('/api/browser/profiles/:profile', {
    summary: 'Forget a browser profile',
    response: z.object({ deleted: z.literal(true), name: z.string() }),
  }),
}
