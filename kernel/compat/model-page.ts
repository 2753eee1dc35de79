import { RuntimeError } from '#sdk/errors.ts'

export interface PageQuery {
  limit: number
  before_id?: string | undefined
  after_id?: string | undefined
}

/** The part of a list after, or right before, the entry that is named; `has_more` looks in the same direction. */
export function pageOf<T extends { id: string }>(list: readonly T[], { limit, before_id, after_id }: PageQuery) {
  const start = after_id === undefined ? 0 : placeOf(list, 'after_id', after_id) + 1
  const end = before_id === undefined ? list.length : placeOf(list, 'before_id', before_id)
  const between = list.slice(start, Math.max(start, end))
  const isBackward = before_id !== undefined && after_id === undefined
  const data = isBackward ? between.slice(-limit) : between.slice(0, limit)
  return {
    data,
    has_more: data.length < between.length,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
  }
}

function placeOf(list: readonly { id: string }[], field: string, id: string): number {
  const place = list.findIndex((entry) => entry.id === id)
  if (place < 0) throw new RuntimeError('invalid', `${field}: names no model of this list`)
  return place
}
