import { z } from 'zod'
import { del, get, post } from '../route.ts'
import { device, deviceIdentity, discoveredAgent } from './devices.ts'
import { flag } from './query.ts'
import { shortField } from './text-field.ts'
import { count, jsonObject } from './values.ts'

const maxCapabilities = 100
const maxKeyHexLength = 512

export const mcpConnection = z.object({
  name: z.string(),
  url: z.string(),
  connected: z.boolean(),
  tools: count,
  resources: count,
  transport: z.string(),
  server_name: z.string().nullable(),
  server_version: z.string().nullable(),
  last_error: z.string().nullable(),
  tool_names: z.array(z.string()),
})
export type McpConnection = z.infer<typeof mcpConnection>

const resource = z.object({ uri: z.string(), name: z.string() })
const okDevice = z.object({ ok: z.literal(true), device_id: z.string() })
const okAgent = z.object({ ok: z.literal(true), agent_id: z.string() })

export const runtimeRoutes = {
  getSurfaces: get('/api/runtime/surfaces', {
    summary: 'List runtime surfaces',
    response: z.object({
      discovery: z.object({ count, verified_count: count }),
      devices: z.object({ device_id: z.string(), fingerprint: z.string(), paired_count: count, trusted_count: count }),
      mcp: z.object({
        server_enabled: z.boolean(),
        tools_exposed: count,
        resources_exposed: count,
        client_total: count,
        client_connected: count,
      }),
      browser: z.object({ running: z.boolean() }),
      plugins: z.object({ count, active: count }),
      a2a: z.object({ enabled: z.boolean(), sessions: count }),
      surfaces: z.array(z.object({ name: z.string(), description: z.string() })),
    }),
  }),
  listDevices: get('/api/runtime/devices', {
    summary: 'List paired devices',
    errors: 'ok_false',
    response: z.object({ identity: deviceIdentity, devices: z.array(device) }),
  }),
  pairDevice: post('/api/runtime/devices/pair', {
    summary: 'Pair a new device',
    errors: 'ok_false',
    body: z.object({
      device_id: shortField,
      public_key_hex: z
        .string()
        .min(2, 'must not be empty')
        .max(maxKeyHexLength)
        .regex(/^(?:[0-9a-fA-F]{2})+$/, 'must be an even number of hexadecimal digits'),
      device_name: shortField,
    }),
    /** `challenge` is what `verify` wants signed. */
    response: okDevice.extend({ challenge: z.string() }),
  }),
  getDevice: get('/api/runtime/devices/:id', { summary: 'Device detail', errors: 'ok_false', response: device }),
  verifyDevice: post('/api/runtime/devices/:id/verify', {
    summary: 'Verify device pairing',
    errors: 'ok_false',
    /** Without a signature, the operator vouches for the device. */
    body: z
      .object({
        signature_hex: z
          .string()
          .max(maxKeyHexLength)
          .regex(/^[0-9a-fA-F]+$/, 'must be hexadecimal')
          .optional(),
      })
      .prefault({}),
    response: okDevice,
  }),
  deleteDevice: del('/api/runtime/devices/:id', {
    summary: 'Forget a device',
    errors: 'ok_false',
    response: okDevice,
  }),
  listDiscoveredAgents: get('/api/runtime/discovery', {
    summary: 'Discovery status',
    errors: 'ok_false',
    response: z.object({
      agents: z.array(discoveredAgent),
      count,
      advertising: z.boolean(),
      browsing: z.boolean(),
    }),
  }),
  registerDiscoveredAgent: post('/api/runtime/discovery', {
    summary: 'Register an agent by hand',
    errors: 'ok_false',
    body: z.object({
      agent_id: shortField,
      name: shortField,
      url: shortField,
      capabilities: z.array(shortField).max(maxCapabilities).optional(),
    }),
    response: okAgent,
  }),
  verifyDiscoveredAgent: post('/api/runtime/discovery/:id/verify', {
    summary: 'Verify discovered agent',
    errors: 'ok_false',
    query: z.object({ force: flag }),
    /** `card`: its agent card says so. `manual`: the operator does. */
    response: okAgent.extend({ verification: z.enum(['card', 'manual']) }),
  }),
  getMcpStatus: get('/api/runtime/mcp', {
    summary: 'MCP client status',
    errors: 'ok_false',
    response: z.object({
      connections: z.array(mcpConnection),
      connected_count: count,
      exposed_tools: z.array(z.object({ name: z.string(), description: z.string() })),
      exposed_resources: z.array(resource),
    }),
  }),
  discoverMcpTools: post('/api/runtime/mcp/clients/:name/discover', {
    summary: 'Discover MCP server tools',
    errors: 'ok_false',
    response: z.object({
      ok: z.literal(true),
      name: z.string(),
      connected: z.boolean(),
      tools: z.array(z.object({ name: z.string(), description: z.string(), input_schema: jsonObject })),
      tool_count: count,
      resources: z.array(resource),
      server_name: z.string().nullable(),
      server_version: z.string().nullable(),
    }),
  }),
  disconnectMcpClient: post('/api/runtime/mcp/clients/:name/disconnect', {
    summary: 'Disconnect MCP client',
    errors: 'ok_false',
    response: z.object({ ok: z.literal(true), name: z.string(), status: z.literal('disconnected') }),
  }),
}
