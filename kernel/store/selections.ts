import { newId, timestamp } from '#sdk/ids.ts'
import type { Selection } from '#sdk/services/inference.ts'
import { type ReadableDb, sql, type WritableDb } from './database.ts'

export interface SelectionEvent {
  event_id: string
  turn_id: string
  session_id: string
  agent_id: string
  channel: string
  selected_model: string
  executed_model: string | null
  /** Another model than the selected one answered. */
  fallback: boolean
  strategy: string
  primary_model: string
  override_model: string | null
  /** The score as text, as clients expect it. */
  complexity: string | null
  complexity_score: number | null
  user_excerpt: string
  candidates: Selection['candidates']
  metascore_breakdown: Selection['metascore_breakdown']
  /** Of the turn, 1 to 5; null until somebody grades it. */
  grade: number | null
  created_at: string
}

interface SelectionRow
  extends Omit<SelectionEvent, 'event_id' | 'fallback' | 'complexity_score' | 'candidates' | 'metascore_breakdown'> {
  id: string
  candidates_json: string
  metascore_json: string | null
  features_json: string | null
}

const selected = 'SELECT e.*, f.grade FROM model_selection_events e LEFT JOIN turn_feedback f ON f.turn_id = e.turn_id'

const maxExcerptWords = 20
const maxExcerptLength = 240

export function excerptOf(text: string): string {
  return text.trim().split(/\s+/, maxExcerptWords).join(' ').slice(0, maxExcerptLength)
}

export function recordSelection(
  db: WritableDb,
  event: {
    turn_id: string
    session_id: string
    agent_id: string
    channel: string
    user_text: string
    selection: Selection
  },
): SelectionEvent {
  const { selection } = event
  const row: SelectionRow = {
    id: newId(),
    turn_id: event.turn_id,
    session_id: event.session_id,
    agent_id: event.agent_id,
    channel: event.channel,
    selected_model: selection.selected_model,
    executed_model: null,
    strategy: selection.strategy,
    primary_model: selection.primary_model,
    override_model: selection.override_model,
    complexity: selection.complexity_score.toFixed(2),
    user_excerpt: excerptOf(event.user_text),
    candidates_json: JSON.stringify(selection.candidates),
    metascore_json: selection.metascore_breakdown && JSON.stringify(selection.metascore_breakdown),
    features_json: Object.keys(selection.features).length === 0 ? null : JSON.stringify(selection.features),
    grade: null,
    created_at: timestamp(),
  }
  sql(
    db,
    `INSERT INTO model_selection_events
       (id, turn_id, session_id, agent_id, channel, selected_model, executed_model, strategy, primary_model, override_model, complexity, user_excerpt, candidates_json, metascore_json, features_json, created_at)
     VALUES
       (@id, @turn_id, @session_id, @agent_id, @channel, @selected_model, @executed_model, @strategy, @primary_model, @override_model, @complexity, @user_excerpt, @candidates_json, @metascore_json, @features_json, @created_at)`,
  ).run(row)
  return toEvent(row)
}

export function recordExecutedModel(db: WritableDb, eventId: string, model: string): void {
  sql(db, 'UPDATE model_selection_events SET executed_model = ? WHERE id = ?').run(model, eventId)
}

export interface SelectionFilter {
  limit: number
  session_id?: string | undefined
  model?: string | undefined
  since?: string | undefined
}

export function listSelections(db: ReadableDb, filter: SelectionFilter): SelectionEvent[] {
  const terms = ['true']
  if (filter.session_id !== undefined) terms.push('e.session_id = @session_id')
  if (filter.model !== undefined) terms.push('selected_model = @model')
  if (filter.since !== undefined) terms.push('e.created_at >= @since')
  const text = `${selected} WHERE ${terms.join(' AND ')} ORDER BY e.created_at DESC, e.rowid DESC LIMIT @limit`
  const values = Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined))
  return (sql(db, text).all(values) as SelectionRow[]).map(toEvent)
}

/** The selections of one turn, newest first. */
export function selectionsOfTurn(db: ReadableDb, turnId: string): SelectionEvent[] {
  const rows = sql(db, `${selected} WHERE e.turn_id = ? ORDER BY e.rowid DESC`).all(turnId) as SelectionRow[]
  return rows.map(toEvent)
}

function toEvent({
  id,
  candidates_json,
  metascore_json,
  features_json: _features,
  ...row
}: SelectionRow): SelectionEvent {
  return {
    ...row,
    event_id: id,
    fallback: row.executed_model !== null && row.executed_model !== row.selected_model,
    complexity_score: row.complexity === null ? null : Number(row.complexity),
    candidates: JSON.parse(candidates_json) as SelectionEvent['candidates'],
    metascore_breakdown:
      metascore_json === null ? null : (JSON.parse(metascore_json) as SelectionEvent['metascore_breakdown']),
  }
}
