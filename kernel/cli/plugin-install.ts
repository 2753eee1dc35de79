import { createInterface } from 'node:readline/promises'
import { askedPermissions } from '#sdk/plugin-manifest.ts'
import { openConfig } from '../config/live-config.ts'
import { openHome } from '../home.ts'
import { stagePlugin } from '../plugins/install.ts'
import type { PluginSource } from '../plugins/read-plugin.ts'
import type { CliSession } from './connection.ts'
import { withServer } from './connection.ts'
import { enablePlugin } from './plugin.ts'

/** Puts a plugin into this home's folder after showing what it asks for; a Keel that runs takes it up. */
export async function installPlugin(
  session: CliSession,
  source: string,
  { yes = false }: { yes?: boolean },
): Promise<void> {
  const { home, io, out } = session
  openHome(home.root, io.env)
  const { dir } = openConfig(home, io.env).current().plugins
  const staged = await stagePlugin(source, dir)
  const { manifest } = staged.plugin
  if (!out.json) describe(staged.plugin, session)
  const asked = askedPermissions(manifest)
  if (asked.length > 0 && !yes && !(await confirmed(session, 'Install it and grant this? [y/N] '))) {
    await staged.discard()
    out.note('Nothing was installed.')
    return
  }
  await staged.commit()
  await withServer(
    session,
    async () => {
      await session.client.plugins.reloadPlugins()
      await enablePlugin(session, manifest.name)
    },
    () => {
      out.value({ name: manifest.name, version: manifest.version, installed: true }, () =>
        out.line(`${manifest.name} is installed. When Keel runs, enable it with: keel plugin enable ${manifest.name}`),
      )
    },
  )
}

function describe({ manifest, warnings }: PluginSource, { out }: CliSession): void {
  out.line(
    `${out.style('bold', manifest.name)} ${manifest.version}${manifest.author === '' ? '' : ` by ${manifest.author}`}`,
  )
  if (manifest.description !== '') out.line(manifest.description)
  for (const tool of manifest.tools) out.line(`  tool ${tool.name}: ${tool.description}`)
  const asked = askedPermissions(manifest)
  out.line(asked.length === 0 ? 'It asks for nothing.' : `It asks for: ${asked.join(', ')}`)
  if (asked.includes('http.fetch')) out.line(`  over the internet, to: ${manifest.http.hosts.join(', ') || 'no host'}`)
  for (const secret of manifest.secrets) out.line(`  with the secret ${secret.name}, for ${secret.hosts.join(', ')}`)
  for (const warning of warnings) out.line(out.style('yellow', warning))
}

/** Only an explicit yes is one; without a terminal there is nobody to give it. */
export async function confirmed({ io }: CliSession, question: string): Promise<boolean> {
  if (!io.stdin.isTTY) return false
  const lines = createInterface({ input: io.stdin, output: io.stderr })
  try {
    return /^y(?:es)?$/i.test((await lines.question(question, { signal: io.signal })).trim())
  } finally {
    lines.close()
  }
}
