import { RuntimeError } from '#sdk/errors.ts'
import type { PluginSetting } from '#sdk/plugin-manifest.ts'
import type { CliSession } from './connection.ts'
import { readJsonObject } from './json-input.ts'
import { readSecret } from './read-secret.ts'

export async function listPlugins({ client, out }: CliSession): Promise<void> {
  out.value(await client.plugins.listPlugins(), ({ plugins }) => {
    if (plugins.length === 0) return out.line('There are no plugins. Write one with: keel plugin new NAME')
    out.table(
      ['NAME', 'VERSION', 'STATUS', 'TOOLS', 'ASKS FOR', 'NOTE'],
      plugins.map(({ name, version, status, tools, permissions, granted, error, warnings }) => [
        name,
        version || '–',
        status,
        tools.map((tool) => tool.name).join(', ') || '–',
        permissions.map((asked) => (granted.includes(asked) ? asked : `${asked} (not granted)`)).join(', ') ||
          'nothing',
        error ?? warnings[0] ?? '',
      ]),
    )
  })
}

export async function showPlugin({ client, out }: CliSession, name: string): Promise<void> {
  out.value(await client.plugins.getPlugin({ params: { name } }), (plugin) => {
    out.line(`${out.style('bold', plugin.name)} ${plugin.version} – ${plugin.status}`)
    if (plugin.description !== '') out.line(plugin.description)
    if (plugin.error !== undefined) out.line(out.style('red', plugin.error))
    for (const warning of plugin.warnings) out.line(out.style('yellow', warning))
    out.line(
      `asks for: ${plugin.permissions.join(', ') || 'nothing'}; granted: ${plugin.granted.join(', ') || 'nothing'}`,
    )
    if (plugin.http_hosts.length > 0) out.line(`hosts: ${plugin.http_hosts.join(', ')}`)
    for (const tool of plugin.tools) out.line(`tool ${tool.name} (${tool.risk_level}): ${tool.description}`)
    for (const { name: key, value, description } of plugin.settings)
      out.line(`setting ${key} = ${JSON.stringify(value)}${description === '' ? '' : `  # ${description}`}`)
    for (const secret of plugin.secrets) out.line(`secret ${secret.name}: ${secret.set ? 'set' : 'not set'}`)
    if (plugin.web_path !== null) out.line(`page: ${plugin.web_path}`)
  })
}

export async function enablePlugin(session: CliSession, name: string): Promise<void> {
  const { client, out } = session
  await client.plugins.enablePlugin({ params: { name } })
  const plugin = await client.plugins.getPlugin({ params: { name } })
  out.value(plugin, ({ status, granted, error }) => {
    out.line(`${name} is ${status}${granted.length > 0 ? ` and may use ${granted.join(', ')}` : ''}.`)
    if (error !== undefined) out.line(out.style('red', error))
  })
}

export async function disablePlugin({ client, out }: CliSession, name: string): Promise<void> {
  out.value(await client.plugins.disablePlugin({ params: { name } }), () => out.line(`${name} is disabled.`))
}

export async function uninstallPlugin({ client, out }: CliSession, name: string): Promise<void> {
  out.value(await client.plugins.removePlugin({ params: { name } }), () =>
    out.line(`${name} is in the trash folder of the plugins folder, and what it had kept is forgotten.`),
  )
}

/** Shows the settings, or changes one; without a value, that one is put back to its default. */
export async function configurePlugin(
  { client, out }: CliSession,
  name: string,
  key?: string,
  text?: string,
): Promise<void> {
  const { settings } = await client.plugins.getPlugin({ params: { name } })
  if (key === undefined)
    return out.value(settings, () =>
      out.table(
        ['SETTING', 'VALUE', 'DEFAULT', 'FOR'],
        settings.map((setting) => [
          setting.name,
          JSON.stringify(setting.value),
          JSON.stringify(setting.default),
          setting.description,
        ]),
      ),
    )
  const declared = settings.find((setting) => setting.name === key)
  if (!declared) throw new RuntimeError('not_found', `plugin '${name}' has no setting ${key}`)
  const body = { settings: { [key]: text === undefined ? null : settingFrom(text, declared.type) } }
  out.value(await client.plugins.configurePlugin({ params: { name }, body }), (answer) =>
    out.line(`${key} = ${JSON.stringify(answer.settings[key])}`),
  )
}

function settingFrom(text: string, type: PluginSetting['type']): string | number | boolean {
  if (type === 'number' && text.trim() !== '' && Number.isFinite(Number(text))) return Number(text)
  if (type === 'boolean' && /^(?:true|false)$/.test(text)) return text === 'true'
  // What does not fit is refused by the server, which names the field.
  return text
}

export async function setPluginSecret(
  session: CliSession,
  name: string,
  secret: string,
  { forget = false }: { forget?: boolean },
): Promise<void> {
  if (forget) {
    const answer = await session.client.plugins.deletePluginSecret({ params: { name, secret } })
    return session.out.value(answer, () => session.out.line(`${secret} of ${name} is forgotten.`))
  }
  const value = await readSecret(session.io, `${secret} of ${name}: `)
  const answer = await session.client.plugins.setPluginSecret({ params: { name, secret }, body: { value } })
  session.out.value(answer, () => session.out.line(`${secret} of ${name} is stored sealed.`))
}

export async function runPluginTool(
  { client, out }: CliSession,
  name: string,
  tool: string,
  json = '{}',
): Promise<void> {
  const body = readJsonObject(json, 'the input')
  out.value(await client.plugins.executePluginTool({ params: { name, tool }, body }), (answer) => {
    if ('request_id' in answer) return out.line(`It waits for an approval: keel approvals approve ${answer.request_id}`)
    out.line(answer.result.output)
    if (!answer.result.success) throw new RuntimeError('unprocessable', `${tool} failed`)
  })
}
