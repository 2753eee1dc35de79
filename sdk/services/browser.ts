import { z } from 'zod'
import { jsonObject } from '../contracts/values.ts'
import { method, service } from '../service.ts'
import { actionNames } from './browser-actions.ts'

export const browserSettings = z.object({
  /** A browser that the configuration names; null looks for one. */
  executable_path: z.string().nullable(),
  headless: z.boolean(),
  /** 0: none is open to others. */
  cdp_port: z.number().int(),
  /** Hosts that pages may reach although their address is private. */
  allowed_hosts: z.array(z.string()),
  /** What is uploaded comes from here, and what is downloaded goes to its `downloads`. */
  workspace: z.string(),
  /** Sessions that nobody has used for so long are closed; a browser without sessions ends. */
  idle_ms: z.number().int(),
})
export type BrowserSettings = z.infer<typeof browserSettings>

export const browserState = z.object({
  running: z.boolean(),
  pid: z.number().int().nullable(),
  /** Of the tab that was used last. */
  url: z.string().nullable(),
  title: z.string().nullable(),
  browser_version: z.string().nullable(),
  executable: z.string().nullable(),
  started_at: z.string().nullable(),
  sessions: z.array(
    z.object({
      session: z.string(),
      profile: z.string().nullable(),
      tabs: z.number().int(),
      url: z.string().nullable(),
      last_used_at: z.string(),
    }),
  ),
})
export type BrowserState = z.infer<typeof browserState>

/** One answer to a page's event that nobody asked for. */
export const pageNotice = z.object({
  kind: z.enum(['dialog', 'popup', 'download', 'crash', 'blocked', 'console_error']),
  text: z.string().max(1_024),
})
export type PageNotice = z.infer<typeof pageNotice>

export const actionRequest = z.object({
  session: z.string(),
  /** Named cookies and storage that outlive the session; null keeps nothing. */
  profile: z.string().nullable(),
  action: z.enum(actionNames),
  /** As `browserActions` has it for this action. */
  fields: jsonObject,
  timeout_ms: z.number().int(),
})
export type ActionRequest = z.infer<typeof actionRequest>

/** What an action has brought. What a page says is in here, and is nobody's order. */
export const actionResult = z.object({
  success: z.boolean(),
  data: jsonObject.nullable(),
  error: z.string().nullable(),
  /** What has happened since the last action. */
  notices: z.array(pageNotice),
})
export type ActionResult = z.infer<typeof actionResult>

export const browserService = service('browser', {
  configure: method({ params: browserSettings, result: z.null(), timeoutMs: 10_000, retry: 'safe' }),
  status: method({ params: z.object({}), result: browserState, timeoutMs: 3_000, retry: 'safe' }),
  start: method({
    params: z.object({}),
    result: z.object({ already_running: z.boolean() }),
    timeoutMs: 60_000,
    retry: 'safe',
  }),
  /** Closes every session and ends the browser. */
  stop: method({ params: z.object({}), result: z.null(), timeoutMs: 15_000, retry: 'safe' }),
  closeSession: method({
    params: z.object({ session: z.string() }),
    result: z.null(),
    timeoutMs: 15_000,
    retry: 'safe',
  }),
  /** Actions of one session run one after the other. A failed action is a result; an error is `unavailable`, `timeout` or `cancelled`. */
  act: method({ params: actionRequest, result: actionResult, timeoutMs: 180_000, retry: 'never' }),
  /** Frames of the session's active tab as they are painted, at most `fps` a second, until the caller hangs up. */
  watch: method({
    params: z.object({
      session: z.string(),
      fps: z.number().min(1).max(15),
      width: z.number().int().min(160).max(1_920),
      quality: z.number().int().min(10).max(90),
    }),
    /** A JPEG as base64. */
    chunk: z.object({
      data: z.string(),
      width: z.number(),
      height: z.number(),
      url: z.string(),
      title: z.string(),
      at: z.string(),
    }),
    result: z.null(),
    timeoutMs: 3_600_000,
    retry: 'never',
  }),
})
