import { readFileSync } from 'node:fs'
import { RuntimeError } from '#sdk/errors.ts'
import type { Config } from '../config/schema.ts'
import type { Home } from '../home.ts'

/** The key of this moment: KEEL_API_KEY (which the configuration knows as `server.api_key`), `server.api_key`, `api.key`. */
export function currentApiKey(home: Home, config: Config): string {
  return config.server.api_key ?? readApiKeyFile(home)
}

/** Every request asks for the key, and the file does not change while Keel runs. */
const keysRead = new WeakMap<Home, string>()

/** The key that was made at the first start. */
export function readApiKeyFile(home: Home): string {
  const key = keysRead.get(home) ?? readKey(home)
  keysRead.set(home, key)
  return key
}

function readKey(home: Home): string {
  const key = readFileSync(home.apiKey, 'utf8').trim()
  if (key !== '') return key
  throw new RuntimeError('invalid', `${home.apiKey} is empty; delete it and a new key is made at the next start`)
}
