import { z } from 'zod'
import { get } from '../route.ts'
import { jsonObject } from './values.ts'

export const shellRoutes = {
  getDashboard: get('/', {
    summary: 'Dashboard',
    auth: 'public',
    kind: 'text',
    response: z.string().meta({ contentMediaType: 'text/html' }),
  }),
  getFavicon: get('/favicon.ico', {
    summary: 'No icon',
    auth: 'public',
    kind: 'text',
    response: z.void(),
  }),
  getOpenApi: get('/openapi.json', { summary: 'This API as OpenAPI 3.1', response: jsonObject }),
  getMetrics: get('/metrics', {
    summary: 'Metrics in the Prometheus text format',
    kind: 'text',
    response: z.string().meta({ contentMediaType: 'text/plain' }),
  }),
}
