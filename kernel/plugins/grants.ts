import type { PluginRow } from '#kernel/store/plugins.ts'
import { askedPermissions, type Permission, type PluginManifest } from '#sdk/plugin-manifest.ts'

/** What a plugin may use, of what its manifest asks for. */
export interface Grants {
  permissions: readonly Permission[]
  /** Those that `http.fetch` may visit. */
  hosts: readonly string[]
  /** Each with the hosts that it may go to. */
  secrets: readonly { name: string; hosts: readonly string[] }[]
}

interface Asking {
  source: { manifest: PluginManifest }
  row: Pick<PluginRow, 'granted'>
}

/**
 * Granted in advance by the configuration, or when it was enabled. Who has granted `http.fetch` has seen certain hosts:
 * one that a later version adds is granted when it is enabled again.
 */
export function grantsOf({ source: { manifest }, row }: Asking, inAdvance: readonly string[]): Grants {
  const given = new Set([...row.granted, ...inAdvance.map((name) => name.toLowerCase())])
  const anywhere = inAdvance.some((name) => name.toLowerCase() === 'http.fetch')
  const permissions = askedPermissions(manifest).filter((name) => given.has(name))
  if (!permissions.includes('http.fetch')) return { permissions, hosts: [], secrets: [] }
  return {
    permissions,
    hosts: manifest.http.hosts.filter((host) => anywhere || given.has(hostGrant(host))),
    secrets: manifest.secrets.map(({ name, hosts }) => ({
      name,
      hosts: hosts.filter((host) => anywhere || given.has(secretGrant(name, host))),
    })),
  }
}

/** Everything that a manifest asks for, one by one, as it is kept once it is granted. */
export function grantsAskedBy(manifest: PluginManifest): string[] {
  const asked = askedPermissions(manifest)
  if (!asked.includes('http.fetch')) return asked
  const secrets = manifest.secrets.flatMap(({ name, hosts }) => hosts.map((host) => secretGrant(name, host)))
  return [...asked, ...manifest.http.hosts.map(hostGrant), ...secrets]
}

/** What it asks for and was not granted, in words. */
export function grantsLacking(plugin: Asking, inAdvance: readonly string[]): string[] {
  const { manifest } = plugin.source
  const { permissions, hosts, secrets } = grantsOf(plugin, inAdvance)
  const lacking: string[] = askedPermissions(manifest).filter((name) => !permissions.includes(name))
  if (!permissions.includes('http.fetch')) return lacking
  lacking.push(...manifest.http.hosts.filter((host) => !hosts.includes(host)).map((host) => `http.fetch to ${host}`))
  for (const { name, hosts: wanted } of manifest.secrets) {
    const given = secrets.find((secret) => secret.name === name)?.hosts ?? []
    lacking.push(...wanted.filter((host) => !given.includes(host)).map((host) => `${name} for ${host}`))
  }
  return lacking
}

function hostGrant(host: string): string {
  return `http.fetch:${host}`
}

function secretGrant(name: string, host: string): string {
  return `secrets.${name}:${host}`
}
