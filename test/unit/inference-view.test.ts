import { expect, test } from 'vitest'
import type { EventListener } from '#kernel/events/bus.ts'
import { type InferenceStatus, openInferenceView } from '#kernel/inference/inference-view.ts'

function scriptedView() {
  const listeners = new Set<EventListener>()
  let asked = 0
  const status = async (): Promise<InferenceStatus> => {
    asked += 1
    return {
      current_model: `mock/${asked}`,
      breakers: {},
      capacity: {},
      cache: {
        hits: 0,
        misses: 0,
        entries: 0,
        tokens_saved: 0,
        enabled: true,
        by_level: { exact: 0, semantic: 0, tool_ttl: 0 },
      },
    }
  }
  const subscribe = (listener: EventListener) => {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }
  let time = 0
  const view = openInferenceView({ status }, { subscribe }, () => time)
  return {
    view,
    listeners,
    asked: () => asked,
    later: (ms: number) => (time += ms),
    announce(type: string) {
      for (const listener of listeners) listener({ seq: 1, type, text: '{}' })
    },
  }
}

const settled = () => new Promise(setImmediate)

test('who can not wait is shown the last answer, and has the next one asked for', async () => {
  const { view, asked, later } = scriptedView()
  expect(view.latest()).toBeNull()
  await settled()
  expect(view.latest()?.current_model).toBe('mock/1')
  expect(asked()).toBe(1)
  later(1_000)
  expect(view.latest()?.current_model).toBe('mock/1')
  await settled()
  expect(view.latest()?.current_model).toBe('mock/2')
})

test('a breaker that changes is seen without anybody asking, until the view is closed', async () => {
  const { view, announce, listeners } = scriptedView()
  await view.refresh()
  announce('session_created')
  await settled()
  expect(view.latest()?.current_model).toBe('mock/1')
  announce('breaker_changed')
  await settled()
  expect(view.latest()?.current_model).toBe('mock/2')
  view.close()
  expect(listeners.size).toBe(0)
})

test('new settings are seen as soon as they are announced', async () => {
  const { view, announce } = scriptedView()
  await view.refresh()
  announce('config_updated')
  await settled()
  expect(view.latest()?.current_model).toBe('mock/2')
})
