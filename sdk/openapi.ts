import { z } from 'zod'
import { openaiError } from './contracts/openai-chat.ts'
import { type ErrorStyle, pathParamNames, type Route, type RouteTable } from './route.ts'

export interface OpenApiOptions {
  version: string
  /** Where the API is served, such as `http://127.0.0.1:18789`. */
  serverUrl?: string
}

type JsonObject = Record<string, unknown>

export interface OpenApiDocument extends JsonObject {
  openapi: '3.1.0'
  paths: Record<string, Record<string, JsonObject>>
}

/** The tables as one OpenAPI 3.1 document: an operation is named `area.route`, an area is a tag. */
export function openApiDocument(tables: Record<string, RouteTable>, options: OpenApiOptions): OpenApiDocument {
  const paths: OpenApiDocument['paths'] = {}
  for (const [area, table] of Object.entries(tables)) {
    for (const [key, route] of Object.entries(table)) {
      const path = route.path.replaceAll(/:([a-z_]+)/g, '{$1}')
      paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(area, key, route) }
    }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Keel',
      version: options.version,
      summary: 'A self-hosted runtime for autonomous agents',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: options.serverUrl ?? '/' }],
    tags: Object.keys(tables).map((name) => ({ name })),
    security: [{ apiKey: [] }, { bearer: [] }],
    paths,
    components: {
      securitySchemes: {
        apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key' },
        bearer: { type: 'http', scheme: 'bearer' },
      },
      responses: errorResponses,
    },
  }
}

function operation(area: string, key: string, route: Route): JsonObject {
  const { summary, auth, body, rawBody } = route.options
  const parameters = [...pathParameters(route), ...queryParameters(route)]
  return {
    operationId: `${area}.${key}`,
    tags: [area],
    summary,
    ...(auth === 'public' && { security: [] }),
    ...(parameters.length > 0 && { parameters }),
    ...(rawBody && {
      requestBody: { required: true, content: { 'application/json': { schema: { type: 'object' } } } },
    }),
    ...(body && {
      requestBody: {
        required: !body.safeParse(undefined).success,
        content: { 'application/json': { schema: jsonSchema(body) } },
      },
    }),
    responses: { ...goodResponse(route), ...errorReferences(route) },
  }
}

function pathParameters(route: Route): JsonObject[] {
  return pathParamNames(route.path).map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } }))
}

function queryParameters({ options: { query } }: Route): JsonObject[] {
  return Object.entries(query?.shape ?? {}).map(([name, schema]) => {
    const fallback = schema.safeParse(undefined)
    const known = fallback.success && fallback.data !== undefined
    return {
      name,
      in: 'query',
      required: !fallback.success,
      schema: { ...jsonSchema(schema), ...(known && { default: fallback.data }) },
    }
  })
}

function goodResponse({ path, options }: Route): JsonObject {
  const { response, event, kind } = options
  if (path === '/ws') return { 101: { description: 'The connection becomes a WebSocket of event frames' } }
  if (response instanceof z.ZodVoid) return { 204: { description: 'Done' } }
  const content: JsonObject = {}
  if (event) content['text/event-stream'] = { schema: { type: 'string', 'x-event': jsonSchema(event) } }
  if (kind === 'text') content[mediaType(response)] = { schema: { type: 'string' } }
  else if (!(response instanceof z.ZodNever)) content['application/json'] = { schema: jsonSchema(response) }
  return { 200: { description: 'OK', content } }
}

function mediaType(response: z.ZodType): string {
  const declared = response.meta()?.contentMediaType
  return typeof declared === 'string' ? declared : 'text/plain'
}

/** What a caller may send and what is sent to it: keys that are added later break neither. */
function jsonSchema(schema: z.ZodType): JsonObject {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    io: 'input',
    override: ({ jsonSchema: written }) => {
      // Zod writes the bounds of a double's whole numbers, which say nothing to a reader.
      if (written.minimum === Number.MIN_SAFE_INTEGER) delete written.minimum
      if (written.maximum === Number.MAX_SAFE_INTEGER) delete written.maximum
      if (written.propertyNames && Object.keys(written.propertyNames).length === 1) delete written.propertyNames
    },
  })
  return rest
}

const text = z.string()

const errorBodies = {
  standard: z.looseObject({ error: text }),
  ok_false: z.looseObject({ ok: z.literal(false), error: text }),
  openai: openaiError,
  anthropic: z.object({ type: z.literal('error'), error: z.object({ type: text, message: text }) }),
} satisfies Record<ErrorStyle, z.ZodType>

const errorResponses = Object.fromEntries(
  Object.entries(errorBodies).flatMap(([style, body]) => [
    [`${style}_client`, errorResponse('The request can not be served as it is', body)],
    [`${style}_server`, errorResponse('The server, or one that it asked, failed', body)],
  ]),
)

function errorResponse(description: string, body: z.ZodType): JsonObject {
  return { description, content: { 'application/json': { schema: jsonSchema(body) } } }
}

function errorReferences({ options: { errors = 'standard' } }: Route): JsonObject {
  return {
    '4XX': { $ref: `#/components/responses/${errors}_client` },
    '5XX': { $ref: `#/components/responses/${errors}_server` },
  }
}
