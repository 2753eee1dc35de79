import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A server that answers only once it is told to, and then always. */
export async function startSlowServer() {
  const first = Promise.withResolvers<string>()
  const answering = Promise.withResolvers<void>()
  const keys: string[] = []
  const server = createServer((request, response) => {
    const key = String(request.headers['idempotency-key'])
    keys.push(key)
    first.resolve(key)
    void answering.promise.then(() => response.end('at last'))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    /** The idempotency key of the first request, once it is there. */
    asked: first.promise,
    /** Of all requests so far. */
    keys,
    answer: () => answering.resolve(),
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export type SlowServer = Awaited<ReturnType<typeof startSlowServer>>
