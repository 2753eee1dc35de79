import { z } from 'zod'

export const platformName = z.enum(['telegram', 'whatsapp', 'discord', 'slack', 'matrix', 'email', 'signal'])
export type PlatformName = z.infer<typeof platformName>

/** What a platform knows Keel by, as it may be sealed. */
export const channelSecrets = {
  telegram: ['token'],
  whatsapp: ['token'],
  discord: ['token'],
  slack: ['token', 'app_token'],
  matrix: ['token'],
  email: ['password', 'oauth2_token'],
  signal: [],
} as const satisfies Record<PlatformName, readonly string[]>
export type ChannelSecret = (typeof channelSecrets)[PlatformName][number]

export const mediaKind = z.enum(['image', 'audio', 'video', 'document'])
export type MediaKind = z.infer<typeof mediaKind>

/** What a platform can do, as its adapter uses it. */
export interface Platform {
  /** How people call it. */
  title: string
  /** The first is the one that needs no more than the configuration. */
  modes: readonly ('polling' | 'webhook' | 'gateway')[]
  /** In what its text is marked up. */
  markup: 'markdown_v2' | 'whatsapp' | 'discord' | 'mrkdwn' | 'html' | 'plain'
  /** The longest message, in the platform's own unit; what is longer is sent in parts. */
  text: { most: number; unit: 'utf16' | 'codepoint' | 'byte' }
  /** The largest file that can be sent, in bytes; 0: none can. */
  fileBytes: number
  threads: boolean
  /** A message can be changed, so an answer can be shown while it is written. */
  edits: boolean
  typing: boolean
  /** A message can have buttons, so a question can be answered by a tap. */
  buttons: boolean
  groups: boolean
  /** Whether it takes a key under which the same message, sent again, is shown once. */
  idempotency: 'key' | 'none'
}

const mebibyte = 1024 * 1024

/** The one table of what each can do. */
export const platforms: Readonly<Record<PlatformName, Platform>> = {
  telegram: {
    title: 'Telegram',
    modes: ['polling', 'webhook'],
    markup: 'markdown_v2',
    text: { most: 4_096, unit: 'utf16' },
    fileBytes: 50 * mebibyte,
    threads: true,
    edits: true,
    typing: true,
    buttons: true,
    groups: true,
    idempotency: 'none',
  },
  whatsapp: {
    title: 'WhatsApp',
    modes: ['webhook'],
    markup: 'whatsapp',
    text: { most: 4_096, unit: 'codepoint' },
    fileBytes: 16 * mebibyte,
    threads: false,
    edits: false,
    typing: true,
    buttons: true,
    groups: false,
    idempotency: 'none',
  },
  discord: {
    title: 'Discord',
    modes: ['gateway'],
    markup: 'discord',
    text: { most: 2_000, unit: 'codepoint' },
    fileBytes: 10 * mebibyte,
    threads: true,
    edits: true,
    typing: true,
    buttons: true,
    groups: true,
    idempotency: 'key',
  },
  slack: {
    title: 'Slack',
    modes: ['gateway', 'webhook'],
    markup: 'mrkdwn',
    text: { most: 4_000, unit: 'codepoint' },
    fileBytes: 50 * mebibyte,
    threads: true,
    edits: true,
    typing: false,
    buttons: true,
    groups: true,
    idempotency: 'none',
  },
  matrix: {
    title: 'Matrix',
    modes: ['polling'],
    markup: 'html',
    text: { most: 32_000, unit: 'byte' },
    fileBytes: 50 * mebibyte,
    threads: true,
    edits: true,
    typing: true,
    buttons: false,
    groups: true,
    idempotency: 'key',
  },
  email: {
    title: 'E-mail',
    modes: ['polling'],
    markup: 'html',
    text: { most: 1_000_000, unit: 'byte' },
    fileBytes: 20 * mebibyte,
    threads: true,
    edits: false,
    typing: false,
    buttons: false,
    groups: false,
    idempotency: 'key',
  },
  signal: {
    title: 'Signal',
    modes: ['polling'],
    markup: 'plain',
    text: { most: 2_000, unit: 'codepoint' },
    fileBytes: 50 * mebibyte,
    threads: false,
    edits: false,
    typing: true,
    buttons: false,
    groups: true,
    idempotency: 'none',
  },
}
