import type { Payer } from '#kernel/budgets/payer.ts'
import type { CostLedger } from '#kernel/inference/cost-ledger.ts'
import { type AnalysisRow, findAnalysis, saveAnalysis } from '#kernel/store/analyses.ts'
import { findMessage } from '#kernel/store/messages.ts'
import { findSession } from '#kernel/store/sessions.ts'
import type { Store } from '#kernel/store/store.ts'
import { listToolCalls } from '#kernel/store/tool-calls.ts'
import type { TurnFacts } from '#kernel/store/turn-facts.ts'
import type { Analysis, Tip } from '#sdk/contracts/tips.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { newId, timestamp } from '#sdk/ids.ts'
import { count } from '../figures.ts'
import { insightsOfSession } from '../insights/insights-of-session.ts'
import { tipsOfTurn } from '../tips/tips-of-turn.ts'
import type { Analyst, Question } from './analyst.ts'
import { type AnalysisAnswer, analysisAnswer, analysisMarkdown, answerOfTips } from './answer.ts'
import { maxMessage, maxTurnsShown, sessionInstructions, sessionQuestion } from './session-question.ts'
import { turnInstructions, turnQuestion } from './turn-question.ts'

/** The longest answers, in tokens. */
const maxTurnAnswer = 1_200
const maxSessionAnswer = 1_800

export interface AnalysesDeps {
  store: Store
  costs: Pick<CostLedger, 'flush'>
  analyst: Analyst
}

interface AnalyzeOptions {
  /** Makes it anew where one is kept. */
  refresh: boolean
  payer: Payer
  signal: AbortSignal
}

interface Subject {
  kind: 'turn' | 'session'
  id: string
  session_id: string
  /** What it is like now; an analysis of something else is out of date. */
  basis: string
  /** It in words, for where the rules alone speak. */
  about: string
  tips: Tip[]
  maxAnswer: number
  instructions: string
  text: () => string | Promise<string>
}

/** What rules and a model say of turns and sessions. */
export class Analyses {
  readonly #deps: AnalysesDeps

  constructor(deps: AnalysesDeps) {
    this.#deps = deps
  }

  /** Throws `not_found`. */
  async tipsOf(turnId: string): Promise<Tip[]> {
    return tipsOfTurn(await this.#turnFacts(turnId))
  }

  async insightsOf(sessionId: string): Promise<{ insights: Tip[]; turn_count: number }> {
    const facts = await this.#deps.store.pool.run('sessionFacts', { session_id: sessionId })
    return { insights: insightsOfSession(facts), turn_count: facts.turn_count }
  }

  async ofTurn(turnId: string, options: AnalyzeOptions): Promise<Analysis> {
    const { store } = this.#deps
    const facts = await this.#turnFacts(turnId)
    const { turn } = facts
    if (turn.status === 'running') throw new RuntimeError('conflict', `turn ${turnId} is not over yet`)
    const tips = tipsOfTurn(facts)
    const messageOf = (id: string | null) => (id === null ? undefined : findMessage(store.read, id))
    return this.#analyze(
      {
        kind: 'turn',
        id: turnId,
        session_id: turn.session_id,
        basis: `${turn.status} ${facts.grade ?? 'ungraded'}`,
        about: `The turn ended ${turn.status} after ${turn.latency_ms ?? 0} ms, with ${turn.tokens_in ?? 0} tokens in and ${turn.tokens_out ?? 0} out.`,
        tips,
        maxAnswer: maxTurnAnswer,
        instructions: turnInstructions,
        text: () =>
          turnQuestion(
            {
              facts,
              tips,
              question: messageOf(turn.user_message_id),
              answer: messageOf(turn.assistant_message_id),
              calls: listToolCalls(store.read, turnId),
            },
            newId(),
          ),
      },
      options,
    )
  }

  async ofSession(sessionId: string, options: AnalyzeOptions): Promise<Analysis> {
    const { store } = this.#deps
    if (!findSession(store.read, sessionId)) throw new RuntimeError('not_found', `session ${sessionId} not found`)
    const facts = await store.pool.run('sessionFacts', { session_id: sessionId })
    const insights = insightsOfSession(facts)
    return this.#analyze(
      {
        kind: 'session',
        id: sessionId,
        session_id: sessionId,
        basis: `${facts.turn_count} ${facts.grades.count} ${facts.grades.first} ${facts.grades.second}`,
        about: `The session has ${count(facts.turn_count, 'turn')} with ${facts.tokens_in} tokens in and ${facts.tokens_out} out.`,
        tips: insights,
        maxAnswer: maxSessionAnswer,
        instructions: sessionInstructions,
        text: async () => {
          // More than is shown, so that what is cut can be told from what is whole.
          const wanted = { session_id: sessionId, limit: maxTurnsShown, maxChars: 2 * maxMessage + 1 }
          const turns = await store.pool.run('newestExchanges', wanted)
          return sessionQuestion({ facts, insights, turns }, newId())
        },
      },
      options,
    )
  }

  async #turnFacts(turnId: string): Promise<TurnFacts> {
    this.#deps.costs.flush()
    const facts = await this.#deps.store.pool.run('turnFacts', { turn_id: turnId })
    if (!facts) throw new RuntimeError('not_found', `turn ${turnId} not found`)
    return facts
  }

  async #analyze(subject: Subject, { refresh, payer, signal }: AnalyzeOptions): Promise<Analysis> {
    const kept = refresh ? undefined : this.#find(subject)
    return (
      kept ??
      this.#deps.analyst.inPlace(signal, async () => {
        // Whoever waited before this one may have asked the same.
        const made = refresh ? undefined : this.#find(subject)
        return made ?? this.#ask(subject, payer, signal)
      })
    )
  }

  #find(subject: Subject): Analysis | undefined {
    const row = findAnalysis(this.#deps.store.read, { kind: subject.kind, subject_id: subject.id })
    const answer = row && analysisAnswer.safeParse(JSON.parse(row.result_json)).data
    if (!row || !answer) return undefined
    const { model, basis, tokens_in, tokens_out, cost, created_at } = row
    return {
      ...toAnalysis(answer, subject.tips),
      analysis_model: model,
      reason: null,
      tokens_in,
      tokens_out,
      cost,
      created_at,
      stored: true,
      stale: basis !== subject.basis,
    }
  }

  /** Where no model is of use the rules speak; that is not kept, for a model may be there the next time. */
  async #ask(subject: Subject, payer: Payer, signal: AbortSignal): Promise<Analysis> {
    const question: Question<AnalysisAnswer> = {
      purpose: 'analysis',
      instructions: subject.instructions,
      text: await subject.text(),
      answer: analysisAnswer,
      maxAnswer: subject.maxAnswer,
      turn_id: subject.kind === 'turn' ? subject.id : null,
      account: payer,
    }
    const { answer, reason, model, ...spent } = await this.#deps.analyst.ask(question, signal)
    const created_at = answer === null ? timestamp() : this.#save(subject, { answer, model, ...spent }).created_at
    return {
      ...toAnalysis(answer ?? answerOfTips(subject.about, subject.tips), subject.tips),
      analysis_model: model,
      reason,
      ...spent,
      created_at,
      stored: false,
      stale: false,
    }
  }

  #save(
    { kind, id, session_id, basis }: Subject,
    { answer, ...row }: Pick<AnalysisRow, 'model' | 'tokens_in' | 'tokens_out' | 'cost'> & { answer: AnalysisAnswer },
  ): AnalysisRow {
    return saveAnalysis(this.#deps.store.write, {
      kind,
      subject_id: id,
      turn_id: kind === 'turn' ? id : null,
      session_id,
      basis,
      result_json: JSON.stringify(answer),
      ...row,
    })
  }
}

function toAnalysis(
  answer: AnalysisAnswer,
  tips: Tip[],
): Pick<Analysis, 'status' | 'analysis' | 'summary' | 'findings' | 'changes' | 'tips'> {
  return { status: 'complete', analysis: analysisMarkdown(answer), ...answer, tips }
}
