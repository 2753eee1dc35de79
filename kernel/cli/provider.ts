import { RuntimeError } from '#sdk/errors.ts'
import { isTable, type Table, valueAt } from '../config/key-path.ts'
import { openConfig } from '../config/live-config.ts'
import { presets } from '../config/presets.ts'
import { offlineModel } from '../config/sections/models.ts'
import { putConfig } from './config.ts'
import { type CliSession, withServer } from './connection.ts'
import { readSecret } from './read-secret.ts'

export interface ProviderAddOptions {
  url?: string
  format?: string
  keyEnv?: string
  key?: string
  model?: string
}

/** Configures a provider and, if it is the first one with a model, makes that model the one that answers. */
export async function addProvider(session: CliSession, name: string, options: ProviderAddOptions): Promise<void> {
  const { out } = session
  if (options.url === undefined && !Object.hasOwn(presets, name)) {
    throw new RuntimeError(
      'invalid',
      `--url is needed, as "${name}" is none of the bundled providers (${Object.keys(presets).join(', ')})`,
    )
  }
  if (options.key !== undefined && options.key !== '-') {
    throw new RuntimeError(
      'invalid',
      '--key: give "-" and the key on stdin; on the command line other processes could read it',
    )
  }
  const key = options.key === '-' ? await readSecret(session.io, `API key of ${name}: `) : undefined
  const entry: Table = {}
  if (options.url !== undefined) entry.url = options.url
  if (options.format !== undefined) entry.format = options.format
  if (options.keyEnv !== undefined) entry.api_key_env = options.keyEnv
  const model = options.model === undefined ? undefined : withoutProvider(name, options.model)
  if (model !== undefined) entry.models = [model]
  const becomesPrimary = model !== undefined && (await primaryModel(session)) === offlineModel
  const patch: Table = { providers: { [name]: entry } }
  if (becomesPrimary) patch.models = { primary: `${name}/${model}` }

  const update = await putConfig(session, patch)
  if (key !== undefined) await storeKey(session, name, key)
  out.value({ provider: name, primary: becomesPrimary ? `${name}/${model}` : null, ...update }, () => {
    out.line(`${name} is configured${key === undefined ? '' : ' and its key is stored sealed'}.`)
    if (becomesPrimary) out.line(`${name}/${model} now answers.`)
    else if (model === undefined) out.line(`Choose its model with: keel config set models.primary ${name}/MODEL`)
  })
}

export async function setProviderKey(session: CliSession, name: string): Promise<void> {
  const key = await readSecret(session.io, `API key of ${name}: `)
  const stored = await storeKey(session, name, key)
  session.out.value(stored, () => session.out.line(`The key of ${name} is stored sealed.`))
}

export async function removeProvider(session: CliSession, name: string): Promise<void> {
  const { client, out } = session
  const config = await readConfig(session)
  if (!isTable(valueAt(config, ['providers', name]))) {
    throw new RuntimeError('not_found', `The provider "${name}" is not configured`)
  }
  const { removed } = await withServer(
    session,
    () => client.providers.deleteProviderKey({ params: { name } }),
    () => ({ removed: false }),
  )
  const update = await putConfig(session, { providers: { [name]: null }, ...withoutModelsOf(name, config) })
  out.value({ provider: name, key_removed: removed, ...update }, () =>
    out.line(`${name} is removed${removed ? ', and its stored key is deleted' : ''}.`),
  )
}

/** The change that keeps no model of a provider that is going. */
function withoutModelsOf(name: string, config: Table): Table {
  const models: Table = {}
  const isOfProvider = (model: unknown) => typeof model === 'string' && model.startsWith(`${name}/`)
  if (isOfProvider(valueAt(config, ['models', 'primary']))) models.primary = null
  const fallbacks = valueAt(config, ['models', 'fallbacks'])
  if (Array.isArray(fallbacks) && fallbacks.some(isOfProvider)) {
    models.fallbacks = fallbacks.filter((model) => !isOfProvider(model))
  }
  return Object.keys(models).length === 0 ? {} : { models }
}

async function storeKey({ client }: CliSession, name: string, key: string) {
  return client.providers.setProviderKey({ params: { name }, body: { api_key: key } })
}

async function readConfig(session: CliSession): Promise<Table> {
  return withServer(
    session,
    () => session.client.config.getConfig(),
    () => openConfig(session.home, session.io.env).redacted(),
  )
}

async function primaryModel(session: CliSession): Promise<unknown> {
  return valueAt(await readConfig(session), ['models', 'primary'])
}

function withoutProvider(name: string, model: string): string {
  return model.startsWith(`${name}/`) ? model.slice(name.length + 1) : model
}
