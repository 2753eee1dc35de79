import { createHttpServer, type ListenHandle } from '#kernel/http/server.ts'

/** A successor: sends the listening socket that it is given back, listens on it at `serve`, and ends with the channel. */
const server = createHttpServer({
  handle: (_, response) => response.end('successor'),
  upgrade: (_, socket) => socket.destroy(),
})
let inherited: ListenHandle | undefined
process.on('message', (message, handle) => {
  if (message === 'take') {
    inherited = handle as ListenHandle | undefined
    process.send?.('taken', handle)
  } else if (inherited) void server.listen({ handle: inherited }).then(({ port }) => process.send?.(port))
})
process.once('disconnect', () => void server.close(1_000))
