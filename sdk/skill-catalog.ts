import { createPublicKey, verify } from 'node:crypto'
import { z } from 'zod'
import { RuntimeError, reasonOf } from './errors.ts'

/*
 * The manifest of a catalog of skills: which there are, and the digest of each file. `packs.skills` is the form that other
 * runtimes publish, single Markdown files; `skills` is Keel's own, with folders packed as zip archives.
 */

export const maxCatalogBytes = 2 * 1_048_576
const maxSkills = 5_000

const digest = z.string().regex(/^[0-9a-f]{64}$/, 'expected a SHA-256 in lower-case hex')
const relativePath = z.string().min(1).max(512)

const catalogEntry = z.object({
  name: z.string().min(1).max(64),
  version: z.string().max(64).default('0.0.0'),
  description: z.string().max(1_024).default(''),
  tags: z.array(z.string().max(64)).max(32).default([]),
  author: z.string().max(256).default(''),
  /** From the manifest on: a `.zip` with the skill's folder in it, or a `.md`. */
  path: relativePath,
  sha256: digest,
})

const catalogManifest = z.object({
  version: z.string().max(64),
  packs: z
    .object({
      skills: z
        .object({ path: z.string().max(256).default('skills/'), files: z.record(z.string(), digest).default({}) })
        .optional(),
    })
    .optional(),
  skills: z.array(catalogEntry).max(maxSkills).default([]),
  /** Ed25519 over everything else, base64. */
  signature: z.string().max(256).optional(),
})

export interface CatalogEntry extends z.infer<typeof catalogEntry> {
  /** The last part of its path. */
  filename: string
}

export interface SkillCatalog {
  version: string
  entries: CatalogEntry[]
}

/** Throws `unprocessable` where the manifest can not be used; with keys, also where none of them has signed it. */
export function parseCatalog(text: string, keys: readonly string[] = []): SkillCatalog {
  const refuse = (reason: string) => new RuntimeError('unprocessable', `the catalog's manifest ${reason}`)
  let raw: unknown
  try {
    raw = JSON.parse(text)
  } catch (thrown) {
    throw refuse(`is not JSON: ${reasonOf(thrown)}`)
  }
  const parsed = catalogManifest.safeParse(raw)
  if (!parsed.success) throw refuse(`is not valid: ${z.prettifyError(parsed.error)}`)
  const { version, packs, skills, signature } = parsed.data
  if (keys.length > 0) {
    if (signature === undefined) throw refuse('is not signed, and update.registry_keys wants it to be')
    if (!keys.some((key) => isSignedBy(key, raw, signature))) throw refuse('is signed by none of update.registry_keys')
  }
  const files = Object.entries(packs?.skills?.files ?? {}).map(([filename, sha256]) => ({
    name: filename.replace(/\.md$/i, ''),
    version,
    description: '',
    tags: [],
    author: '',
    path: `${packs?.skills?.path ?? ''}${filename}`,
    sha256,
    filename,
  }))
  const own = skills.map((entry) => ({ ...entry, filename: entry.path.slice(entry.path.lastIndexOf('/') + 1) }))
  const named = new Set(own.map(({ name }) => name))
  return { version, entries: [...own, ...files.filter(({ name }) => !named.has(name))] }
}

/** What is signed: the manifest without its signature, keys in order. */
export function signedText(manifest: unknown): string {
  const { signature: _signature, ...rest } = manifest as Record<string, unknown>
  return JSON.stringify(rest, (_key, value: unknown) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
    return Object.fromEntries(Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1)))
  })
}

/** `key` is the raw public key of 32 bytes, base64. */
function isSignedBy(key: string, manifest: unknown, signature: string): boolean {
  const raw = Buffer.from(key, 'base64')
  if (raw.length !== 32) return false
  // The fixed beginning of an Ed25519 public key in DER, RFC 8410.
  const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), raw])
  const publicKey = createPublicKey({ key: der, format: 'der', type: 'spki' })
  return verify(null, Buffer.from(signedText(manifest)), publicKey, Buffer.from(signature, 'base64'))
}
