import { z } from 'zod'

/** The bounds of what is asked of the browser, and of what comes back. */
export const browserBounds = {
  urlLength: 4_096,
  selectorLength: 500,
  textLength: 65_536,
  expressionLength: 100_000,
  /** Of a page's text that is told, in characters. */
  pageTextLength: 50_000,
  /** Of a page's HTML, a snapshot or a result of `evaluate`, in bytes. */
  outputBytes: 1_048_576,
  /** Of a picture or a PDF, in bytes: as base64 it fits one message of a service. */
  imageBytes: 5_242_880,
  downloadBytes: 104_857_600,
  uploadBytes: 52_428_800,
  files: 10,
  cookies: 300,
  /** Sessions at once, and tabs in each. */
  sessions: 16,
  tabs: 8,
  actionMs: { default: 30_000, most: 120_000 },
} as const

const selector = z
  .string()
  .min(1)
  .max(browserBounds.selectorLength, `exceeds max length (${browserBounds.selectorLength})`)
  .regex(/^[^{}]*$/, 'must not contain braces')

/** As the last snapshot names an element: `e12`. */
const ref = z.string().regex(/^(?:f\d{1,4})?e\d{1,9}$/, 'must be a reference of the last snapshot, such as e12')

/** What is acted on: by a selector, or by a reference of the last snapshot. */
const target = { selector: selector.optional(), ref: ref.optional() }
const text = z.string().max(browserBounds.textLength)
const name = z.string().min(1).max(256)
export const profileName = z
  .string()
  .regex(/^[\w.-]{1,64}$/, 'must have 1 to 64 letters, digits, dots, dashes or underscores')

const cookie = z.object({
  name: z.string().min(1).max(4_096),
  value: z.string().max(4_096),
  url: z
    .url({ protocol: /^https?$/ })
    .max(browserBounds.urlLength)
    .optional(),
  domain: z.string().max(256).optional(),
  path: z.string().max(1_024).optional(),
  /** Seconds since 1970. */
  expires: z.number().optional(),
  httpOnly: z.boolean().optional(),
  secure: z.boolean().optional(),
  sameSite: z.enum(['Strict', 'Lax', 'None']).optional(),
})

/** Each action by its name in snake_case, with its fields. */
export const browserActions = {
  navigate: z.object({
    url: z.string().min(1).max(browserBounds.urlLength),
    wait_until: z.enum(['load', 'domcontentloaded', 'commit']).default('load'),
  }),
  click: z.object({
    ...target,
    button: z.enum(['left', 'right', 'middle']).default('left'),
    count: z.int().min(1).max(3).default(1),
  }),
  type: z.object({ ...target, text, submit: z.boolean().default(false) }),
  screenshot: z.object({
    ...target,
    full_page: z.boolean().default(false),
    format: z.enum(['png', 'jpeg']).default('png'),
  }),
  pdf: z.object({ landscape: z.boolean().default(false) }),
  evaluate: z.object({ expression: z.string().min(1).max(browserBounds.expressionLength) }),
  get_cookies: z.object({}),
  set_cookies: z.object({ cookies: z.array(cookie).min(1).max(browserBounds.cookies) }),
  clear_cookies: z.object({}),
  read_page: z.object({}),
  get_html: z.object(target),
  snapshot: z.object({
    ...target,
    /** Only what has changed since the last one. */
    diff: z.boolean().default(false),
  }),
  go_back: z.object({}),
  go_forward: z.object({}),
  reload: z.object({}),
  wait_for: z.object({
    ...target,
    text: text.optional(),
    state: z.enum(['visible', 'hidden', 'attached', 'detached']).default('visible'),
    timeout_ms: z.int().min(1).max(browserBounds.actionMs.most).optional(),
  }),
  select: z.object({ ...target, value: z.union([text, z.array(text).max(100)]) }),
  scroll: z.object({ ...target, x: z.number().default(0), y: z.number().default(0) }),
  hover: z.object(target),
  press_key: z.object({ ...target, key: z.string().min(1).max(64) }),
  /** Files of the workspace into a file input. */
  upload: z.object({ ...target, paths: z.array(z.string().min(1).max(4_096)).min(1).max(browserBounds.files) }),
  /** What was downloaded in this session, oldest first. */
  downloads: z.object({}),
  tabs: z.object({}),
  new_tab: z.object({ url: z.string().min(1).max(browserBounds.urlLength).optional() }),
  switch_tab: z.object({ tab: z.int().min(0).max(1_000_000) }),
  close_tab: z.object({ tab: z.int().min(0).max(1_000_000).optional() }),
  /** What dialogs answer from now on in this session; they are dismissed unless told. */
  dialogs: z.object({ answer: z.enum(['accept', 'dismiss']), text: text.optional() }),
} as const

/** What is wrong between fields of which each is right by itself; undefined where nothing is. */
export function fieldsProblem(
  action: ActionName,
  { selector, ref, text }: { selector?: unknown; ref?: unknown; text?: unknown },
): { field: string; message: string } | undefined {
  if (selector !== undefined && ref !== undefined)
    return { field: 'ref', message: 'can not be given together with a selector' }
  const isTold = selector !== undefined || ref !== undefined || (action === 'wait_for' && text !== undefined)
  if (isTold || !targetedActions.has(action)) return undefined
  return { field: 'selector', message: `is required, or a ref${action === 'wait_for' ? ' or a text' : ''}` }
}

/** They act on an element, or wait for one. */
const targetedActions: ReadonlySet<ActionName> = new Set(['click', 'type', 'wait_for', 'select', 'hover', 'upload'])

export type ActionName = keyof typeof browserActions
export const actionNames = Object.keys(browserActions) as [ActionName, ...ActionName[]]

/** Of every action beside its own fields. */
export const actionOptions = {
  /** One isolated context for each; `default` unless told. */
  session: name.optional(),
  /** Cookies and storage that are kept under this name, in a session of their own. */
  profile: profileName.optional(),
  timeout_ms: z.int().min(1).max(browserBounds.actionMs.most).optional(),
}
