import { z } from 'zod'
import { del, get, post } from '../route.ts'
import { jsonObject } from './values.ts'

/** The MCP server over Streamable HTTP; the session is named by the header `mcp-session-id`. */
export const mcpRoutes = {
  postMcpMessage: post('/mcp', {
    summary: 'MCP JSON-RPC message',
    kind: 'stream',
    body: z.union([jsonObject, z.array(jsonObject)]),
    response: jsonObject,
    event: jsonObject,
  }),
  openMcpStream: get('/mcp', {
    summary: 'MCP server messages',
    kind: 'stream',
    response: z.never(),
    event: jsonObject,
  }),
  closeMcpSession: del('/mcp', { summary: 'End an MCP session', response: z.void() }),
}
