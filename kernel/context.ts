import type { Logger } from 'pino'
import type { Client } from '#sdk/service.ts'
import type { inferenceService } from '#sdk/services/inference.ts'
import type { Approvals } from './approvals/approvals.ts'
import type { Browser } from './browser/browser.ts'
import type { Channels } from './channels/channels.ts'
import type { LiveConfig } from './config/live-config.ts'
import type { EventBus } from './events/bus.ts'
import type { Home } from './home.ts'
import type { RateLimits } from './http/rate-limits.ts'
import type { Tickets } from './http/tickets.ts'
import type { CostLedger } from './inference/cost-ledger.ts'
import type { InferenceView } from './inference/inference-view.ts'
import type { ModelOverride } from './inference/model-override.ts'
import type { LogFeed } from './logs/logger.ts'
import type { Memory } from './memory/memory.ts'
import type { Analyses } from './observatory/analysis/analyses.ts'
import type { Recommendations } from './observatory/recommendations/recommendations.ts'
import type { Replays } from './observatory/replay/replays.ts'
import type { Plugins } from './plugins/registry.ts'
import type { ToolJudge } from './policy/judge.ts'
import type { Retention } from './retention/retention.ts'
import type { Scheduler } from './scheduler/scheduler.ts'
import type { SealedStore } from './secrets/sealed-store.ts'
import type { NicknameWriter } from './sessions/nickname-writer.ts'
import type { Catalogs } from './skills/catalog/catalog.ts'
import type { Skills } from './skills/registry.ts'
import type { Store } from './store/store.ts'
import type { Supervisor } from './supervisor/supervisor.ts'
import type { Metrics } from './telemetry/metrics.ts'
import type { Toolbox } from './tools/toolbox.ts'
import type { InFlight } from './turns/in-flight.ts'
import type { TurnRunner } from './turns/turn-runner.ts'

/** What handlers may use; each names the part it needs. */
export interface Context {
  version: string
  /** Milliseconds since the epoch. */
  startedAt: number
  home: Home
  config: LiveConfig
  store: Store
  costs: CostLedger
  bus: EventBus
  log: Logger
  logFeed: LogFeed
  secrets: SealedStore
  supervisor: Supervisor
  inference: Client<typeof inferenceService>
  inferenceView: InferenceView
  modelOverride: ModelOverride
  nicknames: NicknameWriter
  approvals: Approvals
  judge: ToolJudge
  /** Judges without counting a use. */
  dryJudge: ToolJudge
  skills: Skills
  catalogs: Catalogs
  plugins: Plugins
  memory: Memory
  scheduler: Scheduler
  channels: Channels
  retention: Retention
  browser: Browser
  analyses: Analyses
  recommendations: Recommendations
  toolbox: Toolbox
  turns: TurnRunner
  replays: Replays
  inFlight: InFlight
  rateLimits: RateLimits
  tickets: Tickets
  /** Undefined where they are not wanted. */
  metrics: () => Metrics | undefined
}
