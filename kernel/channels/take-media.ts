import { lstat, rm } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { type FileTypeResult, fileTypeFromBuffer } from 'file-type'
import { channelBounds, type InboundAttachment } from '#sdk/channels/message.ts'
import type { MediaKind, PlatformName } from '#sdk/channels/platforms.ts'
import { isErrorOf, RuntimeError, reasonOf } from '#sdk/errors.ts'
import { newId, timestamp } from '#sdk/ids.ts'
import { listInside, makeParentInside, openInside, type RootRules } from '#sdk/path-root.ts'
import { redactText } from '#sdk/redact.ts'
import type { Client } from '#sdk/service.ts'
import type { channelsService } from '#sdk/services/channels.ts'

/** What all files of one channel together may have, in bytes; past it none is taken until some are removed. */
const maxFolderBytes = 2 * 1024 * 1024 * 1024
/** What a file's kind is told by, in bytes from its beginning. */
const sniffedBytes = 4_100
const shownNameLength = 100
const shownReasonLength = 200
const plainType = /^[\w.+-]{1,64}\/[\w.+-]{1,64}$/
const safeExtension = /^\.[a-z0-9]{1,8}$/

export interface MediaDeps {
  service: () => Pick<Client<typeof channelsService>, 'fetchMedia'>
  /** Where files go, and what is never written there. */
  workspace: () => { root: string; rules: RootRules; maxBytes: Record<MediaKind, number> }
}

/**
 * Fetches what was sent along and keeps it in the workspace, below `media/<channel>/`. Returns a line for each, for the
 * model: where the file is, or why it was not taken. `unavailable` where the service is not there, unless this is the last try.
 */
export async function takeMedia(
  channel: PlatformName,
  attachments: readonly InboundAttachment[],
  { signal, isLastTry }: { signal: AbortSignal; isLastTry: boolean },
  deps: MediaDeps,
): Promise<string[]> {
  const lines: string[] = []
  for (const attachment of attachments.slice(0, channelBounds.attachments)) {
    try {
      const { path, type, size } = await take(channel, attachment, signal, deps)
      lines.push(`[${attachment.kind}: ${path}, ${type}, ${shownSize(size)}]`)
    } catch (thrown) {
      if (signal.aborted || (!isLastTry && isErrorOf(thrown, 'unavailable', 'outcome_unknown'))) throw thrown
      lines.push(`[${attachment.kind}${shownName(attachment)}: not taken, ${shownReason(thrown)}]`)
    }
  }
  return lines
}

async function take(
  channel: PlatformName,
  attachment: InboundAttachment,
  signal: AbortSignal,
  { service, workspace }: MediaDeps,
) {
  const { root, rules, maxBytes } = workspace()
  const { kind, ref, size_bytes } = attachment
  const max_bytes = Math.min(channelBounds.fileBytes[kind], maxBytes[kind])
  if (size_bytes !== null && size_bytes > max_bytes) throw tooLarge(kind, max_bytes)
  const file = new MediaFile(channel, attachment, { root, rules, maxBytes: max_bytes })
  try {
    const onChunk = ({ data }: { data: string }) => file.write(Buffer.from(data, 'base64'))
    await service().fetchMedia({ channel, ref, kind, max_bytes }, { signal, onChunk })
    return await file.finish()
  } catch (thrown) {
    await file.discard()
    throw thrown
  }
}

/** A file that is being fetched: its first bytes say what it is before any of it is kept. */
class MediaFile {
  readonly #channel: PlatformName
  readonly #about: InboundAttachment
  readonly #place: { root: string; rules: RootRules; maxBytes: number }
  #head: Buffer[] = []
  #size = 0
  #opened: { path: string; type: string; handle: Awaited<ReturnType<typeof openInside>> } | undefined

  constructor(
    channel: PlatformName,
    about: InboundAttachment,
    place: { root: string; rules: RootRules; maxBytes: number },
  ) {
    this.#channel = channel
    this.#about = about
    this.#place = place
  }

  async write(bytes: Buffer): Promise<void> {
    this.#size += bytes.length
    if (this.#size > this.#place.maxBytes) throw tooLarge(this.#about.kind, this.#place.maxBytes)
    if (this.#opened) return void (await this.#opened.handle.appendFile(bytes))
    this.#head.push(bytes)
    if (this.#size >= sniffedBytes) await this.#open()
  }

  async finish(): Promise<{ path: string; type: string; size: number }> {
    if (this.#size === 0) throw new RuntimeError('invalid', 'it is empty')
    const { path, type, handle } = this.#opened ?? (await this.#open())
    await handle.sync()
    await handle.close()
    return { path, type, size: this.#size }
  }

  async discard(): Promise<void> {
    if (!this.#opened) return
    await this.#opened.handle.close()
    await rm(join(this.#place.root, this.#opened.path), { force: true })
  }

  async #open() {
    const { root, rules } = this.#place
    const head = Buffer.concat(this.#head)
    this.#head = []
    const found = await fileTypeFromBuffer(head)
    const type = typeOf(this.#about, found)
    const folder = `media/${this.#channel}`
    await makeParentInside(root, `${folder}/file`, rules)
    await requireRoom(root, folder, rules)
    const path = `${folder}/${timestamp().slice(0, dateLength)}-${newId()}${extensionOf(this.#about, found)}`
    const handle = await openInside(root, path, 'append', rules)
    this.#opened = { path, type, handle }
    await handle.appendFile(head)
    return this.#opened
  }
}

const dateLength = 'YYYY-MM-DD'.length

async function requireRoom(root: string, folder: string, rules: RootRules): Promise<void> {
  const { entries } = await listInside(root, folder, rules)
  let bytes = 0
  for (const { name } of entries) bytes += (await lstat(join(root, folder, name))).size
  if (bytes > maxFolderBytes)
    throw new RuntimeError('too_large', `${folder} is full; files must be removed from it first`)
}

/** What the bytes say it is, where they say it, and never what its sender would have it be; `invalid` for what does not fit. */
function typeOf({ kind, content_type }: InboundAttachment, found: FileTypeResult | undefined): string {
  const declared = bareType(content_type ?? '')
  if (kind !== 'document') {
    if (!found || !fitsKind(kind, found.mime)) throw mismatch(`no ${kind}`)
    return bareType(found.mime)
  }
  if (found && programs.has(found.mime)) throw mismatch('a program, and programs are not taken')
  if (found && mediaFamilies.has(familyOf(declared)) && familyOf(declared) !== familyOf(found.mime))
    throw mismatch(`no ${declared}`)
  if (declared === 'application/pdf' && found?.mime !== declared) throw mismatch(`no ${declared}`)
  if (found) return bareType(found.mime)
  return plainType.test(declared) ? declared : 'application/octet-stream'
}

const mediaFamilies: ReadonlySet<string> = new Set(['image', 'audio', 'video', 'text'])
const programs: ReadonlySet<string> = new Set([
  'application/x-msdownload',
  'application/x-elf',
  'application/x-mach-binary',
  'application/x.ms.shortcut',
])

/** Containers of pictures in motion may hold sound alone. */
function fitsKind(kind: Exclude<MediaKind, 'document'>, mime: string): boolean {
  const family = familyOf(mime)
  if (family === kind) return true
  return kind === 'audio' ? mime === 'video/mp4' || mime === 'video/webm' || mime === 'application/ogg' : false
}

/** Without parameters. */
function bareType(type: string): string {
  return (type.split(';', 1)[0] ?? '').trim().toLowerCase()
}

function familyOf(type: string): string {
  return type.split('/', 1)[0] ?? ''
}

function extensionOf({ filename }: InboundAttachment, found: FileTypeResult | undefined): string {
  if (found) return `.${found.ext}`
  const named = extname(filename ?? '').toLowerCase()
  return safeExtension.test(named) ? named : '.bin'
}

function tooLarge(kind: MediaKind, maxBytes: number): RuntimeError {
  return new RuntimeError('too_large', `it is larger than the ${shownSize(maxBytes)} that ${kind} files may have`)
}

function mismatch(what: string): RuntimeError {
  return new RuntimeError('invalid', `by its content it is ${what}`)
}

/** Of a name that somebody else has chosen, what can neither end the line nor the brackets around it. */
function shownName({ filename }: InboundAttachment): string {
  const name = (filename ?? '')
    .replaceAll(/[^\p{L}\p{N} ._-]/gu, '')
    .slice(0, shownNameLength)
    .trim()
  return name === '' ? '' : ` ${name}`
}

function shownReason(thrown: unknown): string {
  return redactText(reasonOf(thrown))
    .replaceAll(/[\s[\]]+/g, ' ')
    .slice(0, shownReasonLength)
    .trim()
}

function shownSize(bytes: number): string {
  if (bytes < 1024) return `${bytes} bytes`
  const kib = bytes / 1024
  return kib < 1024 ? `${Math.round(kib)} KB` : `${(kib / 1024).toFixed(1)} MB`
}
