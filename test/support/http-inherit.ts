import { createHttpServer } from '#kernel/http/server.ts'

/** A successor: serves on the listening socket that it inherited as descriptor 3, and ends when stdin does. */
const server = createHttpServer({
  handle: (_, response) => response.end('successor'),
  upgrade: (_, socket) => socket.destroy(),
})
const { port } = await server.listen({ fd: 3 })
process.stdout.write(`${port}\n`)
process.stdin.resume().once('end', () => void server.close(1_000))
