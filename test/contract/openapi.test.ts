import { createConfig, lintFromString } from '@redocly/openapi-core'
import { describe, expect, it } from 'vitest'
import { api } from '#sdk/api.ts'
import { socketRoutes } from '#sdk/contracts/events.ts'
import { openApiDocument } from '#sdk/openapi.ts'
import { expectGolden } from '../support/golden.ts'

const document = openApiDocument(
  { ...api, socket: socketRoutes },
  { version: '0.0.0', serverUrl: 'https://keel.example' },
)

/** An upgrade answers 101 and nothing else. */
const expected = ['operation-2xx-response #/paths/~1ws/get/responses']

describe('the OpenAPI document', () => {
  it('is sound', async () => {
    const config = await createConfig({ extends: ['recommended'], rules: { 'tag-description': 'off' } })
    const problems = await lintFromString({ source: JSON.stringify(document), config })
    expect(problems.map(({ ruleId, location }) => `${ruleId} ${location[0]?.pointer}`)).toEqual(expected)
  })

  it('is the golden one', async () => {
    await expectGolden('openapi.json', `${JSON.stringify(document, undefined, 1)}\n`)
  })

  it('has an operation for each route', () => {
    const routes = Object.values({ ...api, socket: socketRoutes }).flatMap((table) => Object.values(table))
    const operations = Object.values(document.paths).flatMap((item) => Object.keys(item))
    expect(operations).toHaveLength(routes.length)
  })

  it('says which query values are needed and which bodies may be left out', () => {
    expect(document.paths['/api/memory/search']?.get?.parameters).toContainEqual(
      expect.objectContaining({ name: 'q', in: 'query', required: true }),
    )
    expect(document.paths['/api/sessions']?.get?.parameters).toContainEqual({
      name: 'limit',
      in: 'query',
      required: false,
      schema: { type: 'integer', minimum: 1, maximum: 500, default: 200 },
    })
    expect(document.paths['/api/sessions']?.post?.requestBody).toMatchObject({ required: false })
    expect(document.paths['/api/agent/message']?.post?.requestBody).toMatchObject({ required: true })
  })
})
