import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { RuntimeError } from '#sdk/errors.ts'

/** Where sealed bytes are kept; it can not read them. */
export interface SealedRows {
  find(name: string): Buffer | undefined
  save(name: string, sealed: Buffer): void
  /** False when there was none. */
  delete(name: string): boolean
  names(): string[]
}

/** Secrets by name. `get` throws `internal` when this home's key does not open an entry. */
export interface SealedStore {
  /** `too_large` over `maxBytes`, which is 64 KiB unless told. */
  put(name: string, plain: string, options?: { maxBytes?: number }): void
  get(name: string): string | undefined
  delete(name: string): boolean
  names(): string[]
}

const algorithm = 'aes-256-gcm'
const formatVersion = 1
const nonceBytes = 12
const tagBytes = 16
const maxNameLength = 200
const maxPlainBytes = 65_536

/** A sealed entry: version (1 byte), nonce (12), tag (16), ciphertext; the entry's name is authenticated with it. */
export function openSealedStore(rows: SealedRows, key: Buffer): SealedStore {
  return {
    put(name, plain, { maxBytes = maxPlainBytes } = {}) {
      if (name === '' || name.length > maxNameLength) {
        throw new RuntimeError('invalid', `a secret's name has 1 to ${maxNameLength} characters`)
      }
      if (Buffer.byteLength(plain) > maxBytes) {
        throw new RuntimeError('too_large', `a secret has at most ${maxBytes} bytes`)
      }
      rows.save(name, seal(name, plain, key))
    },
    get(name) {
      const sealed = rows.find(name)
      return sealed && unseal(name, sealed, key)
    },
    delete: (name) => rows.delete(name),
    names: () => rows.names(),
  }
}

function seal(name: string, plain: string, key: Buffer): Buffer {
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv(algorithm, key, nonce, { authTagLength: tagBytes }).setAAD(Buffer.from(name))
  const content = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()])
  return Buffer.concat([Buffer.of(formatVersion), nonce, cipher.getAuthTag(), content])
}

function unseal(name: string, sealed: Buffer, key: Buffer): string {
  const contentStart = 1 + nonceBytes + tagBytes
  if (sealed.length < contentStart || sealed[0] !== formatVersion) {
    throw new RuntimeError('internal', `The stored secret ${name} has an unknown form`)
  }
  const nonce = sealed.subarray(1, 1 + nonceBytes)
  const decipher = createDecipheriv(algorithm, key, nonce, { authTagLength: tagBytes })
    .setAAD(Buffer.from(name))
    .setAuthTag(sealed.subarray(1 + nonceBytes, contentStart))
  try {
    return Buffer.concat([decipher.update(sealed.subarray(contentStart)), decipher.final()]).toString('utf8')
  } catch (cause) {
    throw new RuntimeError(
      'internal',
      `The stored secret ${name} can not be opened: it was sealed with another secret.key, or it was altered`,
      undefined,
      { cause },
    )
  }
}
