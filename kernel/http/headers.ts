import { Socket } from 'node:net'
import helmet from 'helmet'
import { IncomingMessage, ServerResponse } from './node-http.ts'

const protect = helmet({
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'self'"],
      scriptSrc: ["'self'"],
      styleSrc: ["'self'"],
      imgSrc: ["'self'", 'data:'],
      connectSrc: ["'self'", 'ws:', 'wss:'],
      objectSrc: ["'none'"],
      baseUri: ["'none'"],
      formAction: ["'self'"],
      frameAncestors: ["'none'"],
    },
  },
  xFrameOptions: { action: 'deny' },
  // The daemon speaks plain HTTP; a proxy that speaks TLS says this for itself.
  strictTransportSecurity: false,
})

/** What every answer carries, worked out once: also those that are written without a ServerResponse. */
export const securityHeaders: ReadonlyMap<string, string> = recordHeaders()

function recordHeaders(): Map<string, string> {
  const socket = new Socket()
  const request = new IncomingMessage(socket)
  const response = new ServerResponse(request)
  protect(request, response, (error) => {
    if (error) throw error
  })
  const headers = new Map(Object.entries(response.getHeaders()).map(([name, value]) => [name, String(value)]))
  socket.destroy()
  return headers
}
