import { Agent, createServer, request as forward } from 'node:http'
import { serveFor } from './serve.ts'

/*
 * The least that a gateway can do: hands the bytes on, both ways, over connections that it keeps.
 */

const [target = ''] = process.argv.slice(2)
const agent = new Agent({ keepAlive: true })

serveFor(
  createServer((incoming, outgoing) => {
    const { method, headers, url = '/' } = incoming
    const onwards = forward(target + url, { method, headers, agent }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(outgoing)
    })
    onwards.on('error', () => outgoing.destroy())
    incoming.pipe(onwards)
  }),
)
