import { z } from 'zod'
import { get, post } from '../route.ts'
import { longField, shortField } from './text-field.ts'
import { jsonObject, time } from './values.ts'

const maxHelloBytes = 65_536
const maxCapabilities = 100

/** The agent's public face: the keys of two generations of agent cards. */
export const agentCard = z.looseObject({
  '@context': z.string(),
  '@type': z.string(),
  name: z.string(),
  identifier: z.string(),
  did: z.string(),
  description: z.string(),
  url: z.string(),
  version: z.string(),
  protocolVersion: z.string(),
  capabilities: z.array(z.string()),
  skills: z.array(jsonObject),
  defaultInputModes: z.array(z.string()),
  defaultOutputModes: z.array(z.string()),
  authentication: z.object({ schemes: z.array(z.string()) }),
  /** X25519. */
  publicKey: z.string().nullable(),
  endpoints: z.record(z.string(), z.string()),
})

/** The card in the form of the A2A protocol. */
export const protocolAgentCard = z.looseObject({
  protocolVersion: z.string(),
  name: z.string(),
  description: z.string(),
  url: z.string(),
  preferredTransport: z.string(),
  version: z.string(),
  capabilities: z.object({
    streaming: z.boolean(),
    pushNotifications: z.boolean(),
    stateTransitionHistory: z.boolean(),
  }),
  securitySchemes: jsonObject,
  security: z.array(z.record(z.string(), z.array(z.string()))),
  defaultInputModes: z.array(z.string()),
  defaultOutputModes: z.array(z.string()),
  skills: z.array(z.object({ id: z.string(), name: z.string(), description: z.string(), tags: z.array(z.string()) })),
})

export const a2aHello = z.looseObject({
  type: z.literal('a2a_hello', {
    error: ({ input }) => (input === undefined ? "missing 'type' in hello" : 'unexpected message type'),
  }),
  did: shortField,
  nonce: shortField,
  /** Unix seconds; more than 60 s off is refused. */
  timestamp: z.int().optional(),
  /** X25519, hexadecimal or base64; asks for an encrypted session. */
  public_key: shortField.optional(),
  signature: longField.optional(),
  capabilities: z.array(shortField).max(maxCapabilities).optional(),
  endpoint: longField.optional(),
})

export const a2aRoutes = {
  greetPeer: post('/api/a2a/hello', {
    summary: 'A2A handshake initiation',
    auth: 'public',
    maxBodyBytes: maxHelloBytes,
    body: a2aHello,
    response: z.object({
      protocol: z.literal('a2a'),
      version: z.string(),
      status: z.literal('ok'),
      peer_did: z.string(),
      session_id: z.string().optional(),
      public_key: z.string().optional(),
      expires_at: time.optional(),
      hello: z.object({
        type: z.literal('a2a_hello'),
        did: z.string(),
        nonce: z.string(),
        timestamp: z.int(),
        public_key: z.string().optional(),
      }),
    }),
  }),
  getAgentCard: get('/.well-known/agent.json', {
    summary: 'A2A agent card (public metadata)',
    auth: 'public',
    response: agentCard,
  }),
  getProtocolAgentCard: get('/.well-known/agent-card.json', {
    summary: 'A2A agent card as the protocol writes it',
    auth: 'public',
    response: protocolAgentCard,
  }),
}
