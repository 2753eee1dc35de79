import { noPort } from '#kernel/browser/settings.ts'
import type { Context } from '#kernel/context.ts'
import type { Handlers } from '#kernel/http/handler.ts'
import type { browserRoutes } from '#sdk/contracts/browser.ts'
import { isErrorOf } from '#sdk/errors.ts'
import type { ActionResult } from '#sdk/services/browser.ts'

const failedStatus = 400

export const browserHandlers: Handlers<typeof browserRoutes, Pick<Context, 'browser' | 'config'>> = {
  async getBrowserStatus(_, { browser, config }) {
    const { enabled, headless } = config.current().browser
    return { ...(await browser.status()), enabled, headless, cdp_port: noPort }
  },

  async startBrowser({ signal }, { browser }) {
    const { already_running } = await browser.start(signal)
    return { status: already_running ? 'already_running' : 'started', cdp_port: noPort }
  },

  async stopBrowser(_, { browser }) {
    await browser.stop()
    return { status: 'stopped' }
  },

  async runBrowserAction({ body, signal, reply }, { browser }) {
    const result = browser.isStarted ? await asResult(browser.act(body, signal)) : failed('browser not started')
    if (!result.success) reply.status(failedStatus)
    return { action: body.action, ...result }
  },

  async closeBrowserSession({ params: { session } }, { browser }) {
    await browser.closeSession(session)
    return { closed: true, session }
  },

  listBrowserProfiles(_, { browser }) {
    return { profiles: browser.profileNames.map((name) => ({ name })) }
  },

  async deleteBrowserProfile({ params: { profile } }, { browser }) {
    await browser.deleteProfile(profile)
    return { deleted: true, name: profile }
  },
}

/** Clients of this route look for one shape, also where the browser's process ended under the action. */
async function asResult(acting: Promise<ActionResult>): Promise<ActionResult> {
  try {
    return await acting
  } catch (thrown) {
    if (isErrorOf(thrown, 'outcome_unknown', 'timeout')) return failed(thrown.message)
    throw thrown
  }
}

function failed(error: string): ActionResult {
  return { success: false, data: null, error, notices: [] }
}
