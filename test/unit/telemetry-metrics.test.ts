import { readFileSync } from 'node:fs'
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { createEventBus } from '#kernel/events/bus.ts'
import { otherLabel } from '#kernel/telemetry/bounded-label.ts'
import type { Sample } from '#kernel/telemetry/gauges.ts'
import { metricTable } from '#kernel/telemetry/metric-table.ts'
import { labelBounds, Metrics } from '#kernel/telemetry/metrics.ts'
import type { Tool } from '#kernel/tools/tool.ts'
import { noAccount } from '#sdk/budgets.ts'
import type { events } from '#sdk/events.ts'
import { newId } from '#sdk/ids.ts'
import type { CostRecord } from '#sdk/services/kernel.ts'
import { figureOf, readMetrics } from '../support/metrics-text.ts'
import { temporaryStore } from '../support/temp-store.ts'

const silent = pino({ level: 'silent' })

async function open(readers: Record<string, () => Sample[] | Promise<Sample[]>> = {}) {
  const { store } = temporaryStore()
  const bus = createEventBus<typeof events>({ db: store.write, log: silent })
  const toolbox = { find: (name: string) => (name.startsWith('tool_') ? ({ name } as Tool) : undefined) }
  const metrics = await Metrics.open({ bus, toolbox, log: silent, readers })
  metrics.resume()
  onTestFinished(() => {
    metrics.close()
    bus.close()
  })
  return { bus, metrics, families: async () => readMetrics(await metrics.text()) }
}

function costOf(given: Partial<CostRecord>): CostRecord {
  return {
    id: newId(),
    model: 'mock/test-model',
    provider: 'mock',
    tokens_in: 10,
    tokens_out: 5,
    cost: 0.25,
    tier: null,
    cached: false,
    latency_ms: 1,
    quality_score: null,
    escalation: false,
    estimated: false,
    tokens_saved: 0,
    cache_level: null,
    turn_id: null,
    reservation_id: null,
    ...noAccount,
    ...given,
  }
}

test('every figure is declared with help, type and the labels that it really has', async () => {
  const { families } = await open()
  const read = await families()
  for (const [name, { type, help }] of Object.entries(metricTable)) expect(read.get(name)).toMatchObject({ type, help })
  const foreign = [...read.keys()].filter((name) => !(name in metricTable))
  expect(foreign.every((name) => /^keel_(process|nodejs)_/.test(name))).toBe(true)
  expect(foreign.length).toBeGreaterThan(10)
})

test('costs are counted by model and by what they are for; what the cache spared is neither input nor output', async () => {
  const { metrics, families } = await open()
  metrics.cost(costOf({}))
  metrics.cost(costOf({ tier: 'memory', cost: 0.5 }))
  metrics.cost(costOf({ tier: 'cached', cached: true, cost: 0, tokens_saved: 15 }))
  const read = await families()
  const model = 'mock/test-model'
  const all = (name: string) =>
    Object.fromEntries((read.get(name)?.samples ?? []).map(({ labels, value }) => [labels.kind, value]))
  expect(figureOf(read, 'keel_model_calls_total', { model, kind: 'answer' })).toBe(1)
  expect(all('keel_cost_dollars_total')).toEqual({ answer: 0.25, memory: 0.5, cached: 0 })
  expect(all('keel_tokens_total')).toEqual({ input: 20, output: 10, saved: 15 })
})

test('models, tools, methods and paths that somebody makes up do not become series without end', async () => {
  const { bus, metrics, families } = await open()
  for (let n = 0; n < 1_000; n++) {
    metrics.cost(costOf({ model: `mock/"odd\n\\model" ${n}` }))
    metrics.request({ method: `METHOD${n}`, route: undefined, status: 404, seconds: 0.001 })
    for (const name of [`tool_${n}`, `made up ${n}`]) {
      const call = { turn_id: null, session_id: null, tool_call_id: newId(), tool: name, tool_name: name }
      bus.publish('tool_call', { ...call, status: 'error', duration_ms: 1, output_preview: '' })
    }
  }
  const read = await families()
  const labelsOf = (name: string, label: string) =>
    new Set((read.get(name)?.samples ?? []).map(({ labels }) => labels[label]))
  const models = labelsOf('keel_cost_dollars_total', 'model')
  expect(models.size).toBe(labelBounds.models + 1)
  expect(models).toContain('mock/"odd\n\\model" 0')
  expect(figureOf(read, 'keel_model_calls_total', { model: otherLabel, kind: 'answer' })).toBe(900)
  const tools = labelsOf('keel_tool_calls_total', 'tool')
  expect(tools.size).toBe(labelBounds.tools + 2)
  expect(figureOf(read, 'keel_tool_calls_total', { tool: 'unknown', status: 'error' })).toBe(1_000)
  expect(labelsOf('keel_http_requests_total', 'method')).toEqual(new Set([otherLabel]))
  expect(labelsOf('keel_http_requests_total', 'route')).toEqual(new Set(['unmatched']))
})

test('what is read when asked is as it is then, and what is gone is not told any more', async () => {
  let up: Sample[] = [
    ['keel_service_up', 1, { service: 'agent' }],
    ['keel_service_restarts_total', 2, { service: 'agent' }],
  ]
  const { families } = await open({ services: () => up })
  const restarts = async () => figureOf(await families(), 'keel_service_restarts_total', { service: 'agent' })
  expect(await restarts()).toBe(2)
  expect(await restarts()).toBe(2)
  up = [['keel_service_up', 0, { service: 'tools' }]]
  const read = await families()
  expect(read.get('keel_service_up')?.samples).toEqual([
    { name: 'keel_service_up', labels: { service: 'tools' }, value: 0 },
  ])
})

test('a source that fails leaves the others as they are, and is counted', async () => {
  let isLocked = false
  const { families } = await open({
    queues: () => {
      if (isLocked) throw new Error('the database is locked')
      return [['keel_channel_outbox_open', 5, { channel: 'telegram' }]]
    },
    kernel: () => [['keel_turns_live', 3]],
  })
  const queued = async () => figureOf(await families(), 'keel_channel_outbox_open', { channel: 'telegram' })
  expect(await queued()).toBe(5)
  isLocked = true
  expect(await queued()).toBeUndefined()
  const read = await families()
  expect(figureOf(read, 'keel_turns_live')).toBe(3)
  expect(figureOf(read, 'keel_metrics_source_failures_total', { source: 'queues' })).toBe(2)
  isLocked = false
  expect(await queued()).toBe(5)
})

test('two who ask at once get the same', async () => {
  const { metrics } = await open({ kernel: async () => [['keel_turns_live', 3]] })
  const [one, two] = await Promise.all([metrics.text(), metrics.text()])
  for (const text of [one, two]) expect(figureOf(readMetrics(text), 'keel_turns_live')).toBe(3)
})

test('the documentation lists each figure with its labels', () => {
  const text = readFileSync(new URL('../../docs/telemetry.md', import.meta.url), 'utf8')
  const rows = [...text.matchAll(/^\| `(keel_[a-z_]+)` \| (counter|gauge|histogram) \| ([^|]*) \| ([^|]*) \|$/gm)]
  const told = rows.map(([, name, type, labels = '', help]) => [
    name,
    { type, labels: [...labels.matchAll(/`([a-z_]+)`/g)].map(([, label]) => label), help },
  ])
  const declared = Object.entries(metricTable).map(([name, metric]) => [
    name,
    { type: metric.type, labels: 'labels' in metric ? [...metric.labels] : [], help: metric.help },
  ])
  expect(Object.fromEntries(told)).toEqual(Object.fromEntries(declared))
})
