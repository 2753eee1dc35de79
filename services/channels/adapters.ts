import type { PlatformName } from '#sdk/channels/platforms.ts'

/** Where an adapter's code is: each is loaded by its own thread alone, with the library that it brings. */
export interface AdapterModule {
  url: string
  /** The name of its `CreateAdapter`. */
  create: string
}

export type AdapterModules = Readonly<Record<PlatformName, AdapterModule>>

export const adapterModules: AdapterModules = {
  telegram: { url: urlOf('telegram'), create: 'createTelegram' },
  whatsapp: { url: urlOf('whatsapp'), create: 'createWhatsapp' },
  discord: { url: urlOf('discord'), create: 'createDiscord' },
  slack: { url: urlOf('slack'), create: 'createSlack' },
  matrix: { url: urlOf('matrix'), create: 'createMatrix' },
  email: { url: urlOf('email'), create: 'createEmail' },
  signal: { url: urlOf('signal'), create: 'createSignal' },
}

function urlOf(name: PlatformName): string {
  return new URL(`./adapters/${name}.ts`, import.meta.url).href
}
