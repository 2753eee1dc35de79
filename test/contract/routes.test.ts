import { describe, expect, it } from 'vitest'
import { pendingRoutes } from '#kernel/areas/pending.ts'
import { api } from '#sdk/api.ts'
import { socketRoutes } from '#sdk/contracts/events.ts'
import { pathParamNames, type Route } from '#sdk/route.ts'
import { expectGolden, readGolden } from '../support/golden.ts'

interface NamedRoute {
  name: string
  route: Route
}

const all: NamedRoute[] = Object.entries({ ...api, socket: socketRoutes }).flatMap(([area, table]) =>
  Object.entries(table).map(([key, route]: [string, Route]) => ({ name: `${area}.${key}`, route })),
)

const address = ({ route }: NamedRoute) => `${route.method} ${route.path}`

describe('routes', () => {
  it('are the golden list', async () => {
    const lines = all.map(({ name, route }) =>
      [route.path, route.method, name, route.options.auth ?? 'key', route.options.errors ?? 'standard'].join('\t'),
    )
    await expectGolden('routes.tsv', `${lines.sort().join('\n')}\n`)
  })

  it('have every route that must always be there', async () => {
    const required = (await readGolden('required-routes.tsv')).trim().split('\n')
    expect(required).toHaveLength(111)
    const known = new Set(all.map(address))
    expect(required.map((line) => line.replace('\t', ' ')).filter((line) => !known.has(line))).toEqual([])
  })

  it('are declared once each', () => {
    const seen = new Map<string, string>()
    for (const entry of all) {
      const shape = address(entry).replaceAll(/:[a-z_]+/g, ':')
      expect(seen.get(shape), `${entry.name} repeats ${shape}`).toBeUndefined()
      seen.set(shape, entry.name)
    }
  })

  it('let in callers without a key only where the route looks after itself', () => {
    expect(
      all
        .filter(({ route }) => route.options.auth === 'public')
        .map(address)
        .sort(),
    ).toEqual([
      'GET /',
      'GET /.well-known/agent-card.json',
      'GET /.well-known/agent.json',
      'GET /api/health',
      'GET /api/webhooks/whatsapp',
      'GET /favicon.ico',
      'GET /plugins/:name',
      'GET /plugins/:name/web/:file',
      'GET /plugins/:name/web/:folder/:file',
      'GET /plugins/frame.js',
      'POST /api/a2a/hello',
      'POST /api/webhooks/slack',
      'POST /api/webhooks/telegram',
      'POST /api/webhooks/whatsapp',
    ])
  })

  it('name their path parameters apart', () => {
    for (const { name, route } of all) {
      const params = pathParamNames(route.path)
      expect(new Set(params).size, name).toBe(params.length)
    }
  })

  it('say what their stream holds, and only then', () => {
    for (const { name, route } of all) {
      if (name === 'socket.openSocket') continue
      expect(route.options.event !== undefined, name).toBe(route.options.kind === 'stream')
    }
  })
})

describe('pending routes', () => {
  it('exist, are sorted and are named once', () => {
    const names = new Set(all.map(({ name }) => name))
    expect(pendingRoutes.filter((name) => !names.has(name))).toEqual([])
    expect(pendingRoutes).toEqual([...new Set(pendingRoutes)].sort())
  })
})
