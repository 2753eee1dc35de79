import { z } from 'zod'
import { method, service } from '#sdk/service.ts'

const message = z.object({ text: z.string(), n: z.number() })

export const echoService = service('echo', {
  echo: method({ params: message, result: message, timeoutMs: 10_000, retry: 'safe' }),
})

export const kernelForEcho = service('kernel', {})
