import { parse as parseToml } from 'smol-toml'
import { z } from 'zod'
import { RuntimeError, reasonOf } from './errors.ts'

/*
 * plugin.toml: what a plugin is and what it asks for, readable by a person and judged by Keel before any of its code runs.
 */

export const maxManifestBytes = 65_536
const maxTools = 64
const maxHosts = 32
const maxSecrets = 16
const maxSettings = 64
const maxTimeoutSeconds = 300
const maxMemoryMb = 128
const leastMemoryMb = 16

export const pluginNamePattern = /^[a-z0-9][a-z0-9-]{0,63}$/
const toolNamePattern = /^[A-Za-z0-9_-]{1,64}$/

/** What a plugin may ask for. Everything else of the machine is out of its reach. */
export const permissions = ['http.fetch', 'kv', 'process', 'network'] as const
export type Permission = (typeof permissions)[number]
/** Permissions of other hosts' plugins: accepted, and of no effect. */
const foreignPermissions = new Set(['filesystem', 'environment'])

const text = (max: number) => z.string().trim().min(1).max(max)

const permissionList = z
  .array(z.string())
  .max(16)
  .default([])
  .transform((list) => list.map((name) => name.toLowerCase()))

/** `api.example.org`, `*.example.org`, `localhost:8080`; with `http://` before it where it does not speak https. */
const host = z
  .string()
  .max(255)
  .regex(
    /^(?:https?:\/\/)?(?:\*\.)?[a-z0-9](?:[a-z0-9.-]{0,250}[a-z0-9])?(?::\d{1,5})?$/,
    'expected a host, such as api.example.org or *.example.org',
  )

const setting = z
  .object({
    type: z.enum(['string', 'number', 'boolean']),
    default: z.union([z.string().max(4_096), z.number(), z.boolean()]),
    enum: z
      .array(z.union([z.string().max(256), z.number()]))
      .max(64)
      .optional(),
    minimum: z.number().optional(),
    maximum: z.number().optional(),
    description: z.string().max(1_024).default(''),
  })
  .superRefine((declared, context) => {
    const wrong = settingIssue(declared, declared.default)
    if (wrong) context.addIssue({ code: 'custom', path: ['default'], message: wrong })
  })
export type PluginSetting = z.infer<typeof setting>

const requirement = z.object({
  name: text(128),
  command: z.string().regex(/^[A-Za-z0-9_.-]{1,128}$/, 'expected the name of a program'),
  install_hint: z.string().max(1_024).nullable().default(null),
  optional: z.boolean().default(false),
})

/** With slashes, from the plugin's folder on, and nowhere else. */
const pathInside = z
  .string()
  .min(1)
  .max(256)
  .refine((path) => isInside(path), 'expected a path inside the folder, such as web or bin/run.sh')

const jsonSchema = z.record(z.string(), z.unknown())

const manifestTool = z.object({
  name: z.string().regex(toolNamePattern, 'expected at most 64 letters, digits, _ and -'),
  description: z.string().max(1_024).default(''),
  risk: z
    .string()
    .toLowerCase()
    .pipe(z.enum(['safe', 'caution', 'dangerous'], 'expected safe, caution or dangerous'))
    .optional(),
  /** Another way to say `risk = "dangerous"`. */
  dangerous: z.boolean().optional(),
  idempotent: z.boolean().default(false),
  /** Which of its parameters are paths, for the policy. */
  paths: z.array(z.string().max(64)).max(16).default([]),
  permissions: permissionList,
  /** Offered to the agent; otherwise it runs over the API alone. */
  expose: z.boolean().default(true),
  parameters: jsonSchema.optional(),
  /** A script of the folder, run by the tools service instead of code in the sandbox. */
  script: pathInside.optional(),
})

const manifestTable = z.object({
  name: z
    .string()
    .regex(pluginNamePattern, 'expected lower-case letters, digits and -, at most 64, as its folder is called'),
  version: z.string().regex(/^[0-9A-Za-z.+-]{1,64}$/, 'expected a version such as 1.0.0'),
  description: z.string().max(1_024).default(''),
  author: z.string().max(256).default(''),
  main: pathInside.optional(),
  permissions: permissionList,
  timeout_seconds: z.number().min(0.05).max(maxTimeoutSeconds).default(30),
  memory_mb: z.number().int().min(leastMemoryMb).max(maxMemoryMb).default(64),
  http: z.object({ hosts: z.array(host).max(maxHosts).default([]) }).prefault({}),
  secrets: z
    .array(
      z.object({
        name: z.string().regex(/^[A-Z][A-Z0-9_]{0,63}$/, 'expected capital letters, digits and _'),
        description: z.string().max(1_024).default(''),
        hosts: z.array(host).min(1, 'a secret goes to the hosts it names, and nowhere else').max(maxHosts),
      }),
    )
    .max(maxSecrets)
    .default([]),
  settings: z
    .record(z.string().regex(/^[a-z][a-z0-9_]{0,63}$/, 'expected lower-case letters, digits and _'), setting)
    .refine((settings) => Object.keys(settings).length <= maxSettings, `expected at most ${maxSettings} settings`)
    .default({}),
  web: z.object({ root: pathInside.default('web') }).optional(),
  companion_skills: z.array(pathInside.regex(/\.md$/, 'expected a path that ends in .md')).max(16).default([]),
  requirements: z.array(requirement).max(32).default([]),
  tools: z.array(manifestTool).max(maxTools).default([]),
})

export type PluginManifest = z.output<typeof manifestTable>
export type ManifestTool = PluginManifest['tools'][number]

/** Throws `invalid` with every field that is wrong; what is not known is a warning. */
export function parseManifest(source: string): { manifest: PluginManifest; warnings: string[] } {
  if (Buffer.byteLength(source) > maxManifestBytes)
    throw new RuntimeError('too_large', `plugin.toml has more than ${maxManifestBytes} bytes`)
  let raw: Record<string, unknown>
  try {
    raw = parseToml(source)
  } catch (thrown) {
    throw new RuntimeError('invalid', `plugin.toml is not valid TOML: ${reasonOf(thrown).split('\n', 1)[0]}`)
  }
  const parsed = manifestTable.safeParse(raw)
  if (!parsed.success) {
    const issues = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'plugin.toml'}: ${message}`)
    throw new RuntimeError('invalid', `plugin.toml: ${issues.slice(0, 10).join('; ')}`)
  }
  const manifest = parsed.data
  const names = manifest.tools.map(({ name }) => name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw new RuntimeError('invalid', `plugin.toml: tools: ${twice} is there twice`)
  const wanted = new Set([...manifest.permissions, ...manifest.tools.flatMap((tool) => tool.permissions)])
  const unknown = [...wanted].find((name) => !isPermission(name) && !foreignPermissions.has(name))
  if (unknown !== undefined)
    throw new RuntimeError(
      'invalid',
      `plugin.toml: permissions: there is no ${unknown}; there are ${permissions.join(', ')}`,
    )
  return { manifest, warnings: warningsOf(manifest, raw) }
}

function isInside(path: string): boolean {
  return !/[\\\0:]/.test(path) && path.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
}

function isPermission(name: string): name is Permission {
  return (permissions as readonly string[]).includes(name)
}

/** Everything that it asks for, its tools included. */
export function askedPermissions(manifest: PluginManifest): Permission[] {
  const asked = new Set([...manifest.permissions, ...manifest.tools.flatMap((tool) => tool.permissions)])
  if (manifest.tools.some(({ script }) => script !== undefined)) asked.add('process')
  return permissions.filter((name) => asked.has(name))
}

/** What a tool may use: what it names itself, else what its plugin does. */
export function permissionsOfTool(
  { permissions: own }: Pick<ManifestTool, 'permissions'>,
  manifest: Pick<PluginManifest, 'permissions'>,
): string[] {
  return own.length > 0 ? own : manifest.permissions
}

/** A script of the machine is never safe: what it does is not Keel's to see. */
export function riskOfTool({ risk, dangerous, script }: ManifestTool): 'Safe' | 'Caution' | 'Dangerous' {
  if (dangerous === true || risk === 'dangerous') return 'Dangerous'
  return risk === 'safe' && script === undefined ? 'Safe' : 'Caution'
}

/** What is wrong with a value for a setting, or null. */
export function settingIssue(
  declared: Pick<PluginSetting, 'type' | 'enum' | 'minimum' | 'maximum'>,
  value: unknown,
): string | null {
  if (typeof value !== declared.type) return `expected a ${declared.type}`
  if (declared.enum && !declared.enum.includes(value as string | number))
    return `expected one of ${declared.enum.join(', ')}`
  if (typeof value === 'number' && declared.minimum !== undefined && value < declared.minimum)
    return `expected at least ${declared.minimum}`
  if (typeof value === 'number' && declared.maximum !== undefined && value > declared.maximum)
    return `expected at most ${declared.maximum}`
  return null
}

function warningsOf(manifest: PluginManifest, raw: Record<string, unknown>): string[] {
  const warnings: string[] = []
  for (const key of Object.keys(raw))
    if (!Object.hasOwn(manifestTable.shape, key)) warnings.push(`${key}: is not known and has no effect`)
  // Of a script they tell which inputs it may be given.
  const hasCode = manifest.tools.some(({ script }) => script === undefined)
  for (const name of new Set(manifest.permissions))
    if (hasCode && foreignPermissions.has(name)) warnings.push(`permissions: ${name} is not to be had in Keel`)
  if (manifest.http.hosts.length > 0 && !manifest.permissions.includes('http.fetch'))
    warnings.push('http.hosts: has no effect without the permission http.fetch')
  if (manifest.tools.some(({ script }) => script !== undefined))
    warnings.push('tools: scripts run as programs of this machine, outside the sandbox')
  return warnings
}
