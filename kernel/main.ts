import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import { agentService } from '#sdk/services/agent.ts'
import { browserService } from '#sdk/services/browser.ts'
import { channelsService } from '#sdk/services/channels.ts'
import { inferenceService } from '#sdk/services/inference.ts'
import { memoryService } from '#sdk/services/memory.ts'
import { sandboxService } from '#sdk/services/sandbox.ts'
import { schedulerService } from '#sdk/services/scheduler.ts'
import { toolsService } from '#sdk/services/tools.ts'
import packageJson from '../package.json' with { type: 'json' }
import { Approvals } from './approvals/approvals.ts'
import { replayApprovedCalls } from './approvals/replay.ts'
import { Browser } from './browser/browser.ts'
import { BudgetLedger } from './budgets/ledger.ts'
import { budgetLinesOf } from './budgets/lines.ts'
import { Channels } from './channels/channels.ts'
import { offlineProvider } from './config/sections/providers.ts'
import type { Context } from './context.ts'
import { kernelEndings } from './endings.ts'
import { followConfig } from './follow-config.ts'
import { openFoundation } from './foundation.ts'
import { openFrontDoor } from './front-door.ts'
import { openHome } from './home.ts'
import { lockHome } from './home-lock.ts'
import { startHousekeeping } from './housekeeping.ts'
import { rateLimitSettings } from './http/rate-limit-settings.ts'
import { RateLimits } from './http/rate-limits.ts'
import type { ListenHandle } from './http/server.ts'
import { Tickets } from './http/tickets.ts'
import { CostLedger } from './inference/cost-ledger.ts'
import { inferenceTerms } from './inference/inference-terms.ts'
import { openInferenceView } from './inference/inference-view.ts'
import { openModelOverride } from './inference/model-override.ts'
import { inferenceSettingsOf } from './inference/settings.ts'
import { logServiceLine } from './logs/service-line.ts'
import { Memory } from './memory/memory.ts'
import { Analyses } from './observatory/analysis/analyses.ts'
import { Analyst } from './observatory/analysis/analyst.ts'
import { Recommendations } from './observatory/recommendations/recommendations.ts'
import { Replays } from './observatory/replay/replays.ts'
import { Plugins } from './plugins/registry.ts'
import { openJudge } from './policy/judge.ts'
import { judgeSettings } from './policy/settings.ts'
import { Retention } from './retention/retention.ts'
import { Scheduler } from './scheduler/scheduler.ts'
import { openProviderKeys } from './secrets/provider-keys.ts'
import { serviceSpecs } from './services.ts'
import { openNicknameWriter } from './sessions/nickname-writer.ts'
import { Catalogs } from './skills/catalog/catalog.ts'
import { Skills } from './skills/registry.ts'
import { scriptWorkspace, skillSettings } from './skills/settings.ts'
import { skillToolsOf } from './skills/skill-tools.ts'
import { skillsForTurn } from './skills/skills-for-turn.ts'
import { closeCutOffCalls } from './store/tool-calls.ts'
import { startSupervisor } from './supervisor/supervisor.ts'
import { builtinToolsOf } from './tools/builtin-tools.ts'
import { toolSettingsOf } from './tools/settings.ts'
import { openToolbox } from './tools/toolbox.ts'
import { answerCommand } from './turns/answer-command.ts'
import { contextStep } from './turns/context-step.ts'
import { openInFlight } from './turns/in-flight.ts'
import { inferStep } from './turns/infer-step.ts'
import { toolStep } from './turns/tool-step.ts'
import { TurnRunner } from './turns/turn-runner.ts'

/** How long a successor waits for its home where someone else looks whether a kernel runs. */
const inheritWaitMs = 5_000

/** How long a start waits for plugins that are slow to tell their tools, in milliseconds. */
const pluginsMs = 3_000

export interface Kernel {
  url: string
  dashboardUrl: string
  version: string
  log: Logger
  /** The listening socket, for a successor. */
  readonly listener: ListenHandle | undefined
  /** Settles with the exit code once everything is closed. */
  closed: Promise<number>
  close(reason: string): Promise<void>
  /** Closes everything, as gently as can be, so that another kernel can open it; `closed` stays unsettled. */
  letGo(): Promise<Predecessor>
}

/** The kernel before this one, from which it took over. */
export interface Predecessor {
  pid: number
  version: string
  /** When it stopped accepting connections, in milliseconds since 1970. */
  stopped_at: number
}

/** The one place that constructs things. Errors carry the `exit_code` that the process should end with. */
export async function startKernel({
  home: homePath,
  env = process.env,
  listener,
  predecessor,
}: {
  home?: string
  env?: NodeJS.ProcessEnv
  /** To accept on, instead of the configured address. */
  listener?: ListenHandle
  predecessor?: Predecessor
}): Promise<Kernel> {
  const startedAt = Date.now()
  const { version } = packageJson
  const home = openHome(homePath, env)
  const lock = lockHome(home, predecessor && inheritWaitMs)
  const undo: (() => unknown)[] = [() => lock.release()]
  try {
    const foundation = await openFoundation(home, { env, version, undo })
    const { config, log, telemetry, store, secrets, bus } = foundation

    const budgets = new BudgetLedger({ db: store.write, bus, log, lines: () => budgetLinesOf(config.current()) })
    // Whoever made calls under an earlier kernel is gone with it.
    budgets.closeAbandoned()
    const costs = new CostLedger(store.write, log, budgets)

    const providerKeys = openProviderKeys(secrets, env, (err) => log.error({ err }, 'a stored key can not be read'))
    const settings = () => inferenceSettingsOf(config.current(), providerKeys, modelOverride.current())
    const modelOverride = openModelOverride(store, async () => void (await inference.configure(settings())))
    const judged = () => judgeSettings(config.current(), home.root)
    const judge = openJudge(judged)
    const dryJudge = openJudge(judged, { dry: true })
    const approvals = new Approvals({
      store,
      bus,
      log,
      timeoutSeconds: () => config.current().approvals.timeout_seconds,
    })
    const guests: (() => unknown)[] = [() => approvals.close()]
    const closeGuests = async () => {
      for (const close of guests.splice(0)) await close()
    }
    undo.push(closeGuests)

    const hasModel = () =>
      [config.current().models.primary, ...config.current().models.fallbacks].some(
        (model) => !model.startsWith(`${offlineProvider}/`),
      )
    const memory = new Memory({
      store,
      bus,
      config,
      log,
      hasModel,
      service: () => supervisor.client(memoryService),
      inference: () => inference,
    })
    const inFlight = openInFlight()
    const channels = new Channels({
      store,
      bus,
      config,
      log,
      home,
      secrets,
      env,
      approvals,
      inFlight,
      turns: () => turns,
      service: () => supervisor.client(channelsService),
      isRunning: () => supervisor.status().some(({ name, state }) => name === 'channels' && state === 'ready'),
      answerCommand: (command, message) => answerCommand(command, message, context),
    })
    undo.push(() => channels.close(0))
    const retention = new Retention({ store, bus, config, log, channels })
    guests.push(() => retention.close())
    const scheduler = new Scheduler({
      store,
      bus,
      config,
      log,
      home,
      inFlight,
      judge,
      approvals,
      memory,
      retention,
      turns: () => turns,
      toolbox: () => toolbox,
      service: () => supervisor.client(schedulerService),
      deliver: channels.deliver,
      destinationOf: channels.destinationOf,
    })
    const replays = new Replays({
      store,
      bus,
      config,
      log,
      version,
      toolbox: () => toolbox,
      agent: () => supervisor.client(agentService),
      inference: () => inference,
    })
    const browser = new Browser({ config, log, secrets, service: () => supervisor.client(browserService) })
    const supervisor = startSupervisor({
      specs: serviceSpecs({
        inference: inferenceTerms({ store, costs, budgets, bus, settings }),
        agent: replays.terms({
          recall: memory.recallForTurn,
          saveContext: (params) => contextStep(params, { store, bus }),
          infer: (params, call) => inferStep(params, call, { store, bus, inference }),
          callTool: (params, call) => toolStep(params, call, { store, bus, toolbox, judge, approvals, turns }),
        }),
        memory: memory.terms,
        scheduler: scheduler.terms,
        channels: channels.terms,
        browser: browser.terms,
        tools: { start: () => toolSettingsOf(config.current(), home.root) },
        sandbox: {
          loadPlugin: (version) => plugins.loadModules(version),
          callHost: (call) => plugins.performHostCall(call),
        },
      }),
      runDir: home.run,
      log,
      onLog: (service, line, stream) => logServiceLine(log, service, line, stream),
      onSpans: (service, pid, batch) => telemetry.takeSpans({ service, pid }, batch),
      onStateChange: ({ name, state, pid, generation, last_error }) => {
        bus.publish('service_state_changed', { service: name, state, pid, generation, reason: last_error })
        if (name === 'memory' && state === 'ready') memory.wake()
        if (name === 'channels') channels.noteService(state === 'ready')
        if (name === 'browser') browser.processChanged(state)
      },
    })
    undo.push(() => supervisor.close(0))
    undo.push(() => memory.close())
    const inference = supervisor.client(inferenceService)
    const tools = supervisor.client(toolsService)
    const skills = await Skills.open({ store, bus, log, settings: () => skillSettings(config.current()) })
    guests.push(() => skills.close())
    const plugins = new Plugins({
      store,
      bus,
      log,
      secrets,
      settings: () => config.current().plugins,
      skillsDir: () => config.current().skills.skills_dir,
      sandbox: supervisor.client(sandboxService),
      tools,
      endSandbox: (reason) => supervisor.endProcess('sandbox', reason),
    })
    guests.push(() => plugins.close())
    const pluginsRead = plugins.follow().catch((err) => log.error({ err }, 'the plugins folder can not be used'))
    const builtins = builtinToolsOf(tools, version)
    const toolbox = openToolbox([
      () => builtins,
      () => memory.tools,
      () => scheduler.tools,
      () => channels.tools,
      () => browser.tools,
      skillToolsOf({ skills, tools, workspace: () => scriptWorkspace(config.current()) }),
      () => plugins.tools(),
    ])

    const inferenceView = openInferenceView(inference, bus)
    undo.push(() => inferenceView.close())
    const expectedModel = () => inferenceView.latest()?.current_model ?? config.current().models.primary
    const nicknames = openNicknameWriter({
      store,
      bus,
      inference,
      log,
      hasModel,
    })
    const analyst = new Analyst({ config, inference })
    const analyses = new Analyses({ store, costs, analyst })
    const recommendations = new Recommendations({ store, costs, config, analyst })
    const turns = new TurnRunner({
      store,
      bus,
      config,
      log,
      version,
      expectedModel,
      agent: supervisor.client(agentService),
      approvals,
      toolbox,
      skillsFor: (request) => skillsForTurn(skills, request),
      onFinished: (outcome) => {
        nicknames.refine(outcome.session_id)
        memory.wake()
        channels.noteEnd(outcome)
      },
    })

    const context: Context = {
      version,
      startedAt,
      home,
      config,
      store,
      costs,
      bus,
      log,
      logFeed: foundation.feed,
      secrets,
      supervisor,
      inference,
      inferenceView,
      modelOverride,
      nicknames,
      approvals,
      judge,
      dryJudge,
      skills,
      catalogs: new Catalogs(() => config.current().update),
      plugins,
      memory,
      scheduler,
      channels,
      retention,
      browser,
      analyses,
      recommendations,
      toolbox,
      turns,
      replays,
      inFlight,
      rateLimits: new RateLimits(() => rateLimitSettings(config.current())),
      tickets: new Tickets(),
      metrics: () => metrics.current,
    }
    const { server, sockets, metrics } = await openFrontDoor(context, telemetry.counts)
    undo.push(() => metrics.close())
    costs.follow((cost) => metrics.current?.cost(cost))

    followConfig(config, {
      home,
      bus,
      log,
      setLevel: foundation.setLevel,
      skills,
      plugins,
      memory,
      scheduler,
      channels,
      browser,
      configureInference: () => inference.configure(settings()),
      tools,
      supervisor,
      tickets: context.tickets,
      sockets,
      telemetry,
      metrics,
    })

    closeCutOffCalls(store.write)
    const { bind, port } = config.current().server
    const address = { host: bind === 'localhost' ? '127.0.0.1' : bind, port }
    const { url } = await server.listen(listener ? { handle: listener } : address)
    const stopHousekeeping = startHousekeeping({ store, memory, channels, retention, log })
    // What was cut off may be about to call one of their tools.
    await Promise.race([pluginsRead, delay(pluginsMs, undefined, { ref: false })])
    const resumed = turns.resumeUnfinished(inFlight)
    await channels.start({ announces: predecessor === undefined })
    memory.wake()
    scheduler.begin()
    const approvedCalls = new AbortController()
    guests.push(() => approvedCalls.abort())
    // However slow they are: a tool that is not there yet is not one that is gone.
    pluginsRead
      .then(() => replayApprovedCalls({ store, bus, log, judge, approvals, toolbox, signal: approvedCalls.signal }))
      .catch((err) => log.error({ err }, 'approved calls could not be begun'))
    log.info({ url, version, ms: Date.now() - startedAt, resumed_turns: resumed }, 'Keel is up')
    if (predecessor) {
      const { pid: from_pid, version: from_version, stopped_at } = predecessor
      const took = { pid: process.pid, version, from_pid, from_version, gap_ms: Date.now() - stopped_at }
      log.info(took, 'this kernel took over')
      bus.publish('kernel_handed_over', took)
      if (port !== 0 && port !== server.port)
        log.warn({ url, port }, 'server.port has changed; it takes effect when Keel is stopped and started')
    }

    const endings = kernelEndings({
      server,
      sockets,
      turns,
      replays,
      memory,
      scheduler,
      channels,
      browser,
      supervisor,
      costs,
      bus,
      store,
      log,
      feed: foundation.feed,
      lock,
      telemetry,
      metrics,
      stopHousekeeping,
      closeGuests,
      closeLog: foundation.closeLog,
    })
    const { promise: closed, resolve: settleClosed } = Promise.withResolvers<number>()
    let ending: Promise<void> | undefined
    return {
      url,
      dashboardUrl: `${url}/`,
      version,
      log,
      get listener() {
        return server.handle
      },
      closed,
      close: async (reason) => {
        ending ??= endings.stop(reason)
        await ending
        settleClosed(0)
      },
      letGo: async () => ({ pid: process.pid, version, stopped_at: await endings.letGo() }),
    }
  } catch (thrown) {
    for (const step of undo.reverse()) await step()
    throw thrown
  }
}
