import { setTimeout as delay } from 'node:timers/promises'
import { timestamp } from '#sdk/ids.ts'
import { runService } from '#sdk/rpc/run-service.ts'
import { type ActionRequest, type ActionResult, type BrowserState, browserService } from '#sdk/services/browser.ts'
import { kernelForBrowser } from '#sdk/services/kernel.ts'

/*
 * A browser service without a browser: each action answers with what was asked of it, and a selector says what is to
 * happen instead. For tests of the kernel's side of it.
 */

const frameBytes = { usual: 20_000, big: 400_000 }

runService(browserService, kernelForBrowser, async (kernel) => {
  let settings = await kernel.start({})
  let isRunning = false
  let profile: string | null = null
  const sessions = new Set<string>()

  const state = (): BrowserState => ({
    running: isRunning,
    pid: isRunning ? process.pid : null,
    url: isRunning ? 'about:blank' : null,
    title: null,
    browser_version: isRunning ? 'Plain/1.0' : null,
    executable: isRunning ? (settings.executable_path ?? '/plain') : null,
    started_at: isRunning ? timestamp() : null,
    sessions: [...sessions].map((session) => ({ session, profile, tabs: 1, url: null, last_used_at: timestamp() })),
  })

  async function setRunning(running: boolean): Promise<void> {
    isRunning = running
    if (!running) sessions.clear()
    await kernel.reportState(state())
  }

  async function act(request: ActionRequest, signal: AbortSignal): Promise<ActionResult> {
    const { action, session, fields } = request
    sessions.add(session)
    profile = request.profile
    if (!isRunning) await setRunning(true)
    const { selector } = fields
    if (selector === '#exit') process.exit(9)
    if (selector === '#slow') await delay(60_000, undefined, { signal })
    if (selector === '#gone') {
      const notices = [{ kind: 'dialog' as const, text: 'alert: hello' }]
      return { success: false, data: null, error: `selector '${selector}' not found on page`, notices }
    }
    if (profile !== null && action === 'get_cookies') {
      const { state: kept } = await kernel.loadProfile({ profile })
      return { success: true, data: { kept }, error: null, notices: [] }
    }
    if (profile !== null && action === 'set_cookies')
      await kernel.saveProfile({ profile, state: JSON.stringify(fields.cookies) })
    if (action === 'screenshot')
      return { success: true, data: { format: 'png', data: 'iVBORw==' }, error: null, notices: [] }
    return { success: true, data: { ...request, workspace: settings.workspace }, error: null, notices: [] }
  }

  return {
    handlers: {
      configure(next) {
        settings = next
        return null
      },
      status: () => state(),
      async start() {
        const already_running = isRunning
        if (!isRunning) await setRunning(true)
        return { already_running }
      },
      async stop() {
        await setRunning(false)
        return null
      },
      closeSession({ session }) {
        sessions.delete(session)
        return null
      },
      act: (request, { signal }) => act(request, signal),
      async watch({ session, fps, width }, { signal, emit }) {
        if (session === 'short') return null
        for (let n = 1; !signal.aborted; n++) {
          const frame = { width, height: n, url: 'http://page.test/', title: session, at: timestamp() }
          await emit({ ...frame, data: 'f'.repeat(session === 'big' ? frameBytes.big : frameBytes.usual) })
          await delay(1_000 / fps, undefined, { signal })
        }
        return null
      },
    },
  }
})
