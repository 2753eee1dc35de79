import { execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { request } from 'undici'
import { eventually } from '../support/daemon.ts'
import { freePort } from '../support/free-port.ts'

const here = fileURLToPath(new URL('peers/', import.meta.url))
const program = `${here}node_modules/@portkey-ai/gateway/build/start-server.js`
const startMs = 20_000

export interface Portkey {
  url: string
  /** What it must be told to hand a request on to `upstreamUrl`. */
  headers: Record<string, string>
  close(): void
}

/** The gateway that people would otherwise run, at the version in package.json beside this file. */
export async function startPortkey(upstreamUrl: string, say: (line: string) => void): Promise<Portkey> {
  if (!existsSync(program)) {
    say('installing @portkey-ai/gateway')
    await promisify(execFile)('npm', ['ci', '--ignore-scripts'], { cwd: here })
  }
  const port = await freePort()
  const child = spawn(process.execPath, [program, `--port=${port}`, '--headless'], { stdio: 'ignore' })
  const url = `http://127.0.0.1:${port}`
  const answers = () =>
    request(url).then(
      ({ body }) => body.dump().then(() => true),
      () => false,
    )
  await eventually('Portkey answers', answers, startMs)
  return {
    url,
    headers: {
      'x-portkey-provider': 'openai',
      'x-portkey-custom-host': `${upstreamUrl}/v1`,
      authorization: 'Bearer not-a-key',
    },
    close: () => child.kill(),
  }
}
