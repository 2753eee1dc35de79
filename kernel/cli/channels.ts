import type { PlatformName } from '#sdk/channels/platforms.ts'
import type { ChannelStatus, DeadLetter, Delivery } from '#sdk/contracts/channels.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { terminalLine } from '../logs/terminal-text.ts'
import { clock } from './clock.ts'
import type { CliSession } from './connection.ts'
import { given } from './given.ts'
import { oneLine } from './one-line.ts'
import { confirmed } from './plugin-install.ts'
import { readSecret } from './read-secret.ts'
import { duration } from './status.ts'

/** The most that one list holds. */
const wholePage = 500
const shownError = 60
const shownText = 40

export async function listChannels(
  { client, out }: CliSession,
  { capabilities = false }: { capabilities?: boolean },
): Promise<void> {
  out.value(await client.channels.listChannels(), (channels) => {
    if (capabilities) return out.table(capabilityHead, channels.flatMap(capabilityRow))
    out.table(
      ['NAME', 'STATE', 'MODE', 'RECEIVED', 'SENT', 'WAITING', 'DEAD', 'LAST ERROR'],
      channels.map((channel) => [
        channel.name,
        stateOf(channel),
        channel.mode,
        String(channel.messages_received),
        String(channel.messages_sent),
        String(channel.queue_depth),
        String(channel.dead_letters),
        channel.last_error === null ? '–' : oneLine(channel.last_error),
      ]),
    )
  })
}

function stateOf({ connected, configured, mode }: ChannelStatus): string {
  if (connected) return 'connected'
  if (mode === 'local') return 'off'
  return configured ? 'not connected' : 'not set up'
}

const capabilityHead = [
  ...['NAME', 'MARKUP', 'TEXT', 'FILES', 'THREADS', 'EDITS', 'TYPING', 'BUTTONS', 'GROUPS'],
  'SENT TWICE',
]

function capabilityRow({ name, capabilities: can }: ChannelStatus): string[][] {
  if (!can) return []
  const yes = (is: boolean) => (is ? 'yes' : '–')
  return [
    [
      name,
      can.markup,
      `${can.text_most} ${can.text_unit}`,
      `${Math.floor(can.file_bytes / 1024 / 1024)} MiB`,
      ...[can.threads, can.edits, can.typing, can.buttons, can.groups].map(yes),
      can.idempotency === 'key' ? 'shown once' : 'shown twice',
    ],
  ]
}

/** Shows a code, and what is to be done with it. */
export async function pairChannel(
  { client, out }: CliSession,
  channel: string,
  { authority }: { authority?: 'Peer' | 'Creator' },
): Promise<void> {
  const made = await client.channels.createPairingCode({ params: { channel }, body: given({ authority }) })
  out.value(made, ({ code, authority, expires_at }) => {
    const letters = ` ${[...code].join(' ')} `
    const bar = '─'.repeat(letters.length)
    for (const line of [`┌${bar}┐`, `│${letters}│`, `└${bar}┘`]) out.line(`  ${out.style('bold', line)}`)
    out.line(`Whoever is to be paired writes this to Keel on ${made.channel}, alone and not in a group:`)
    out.line(`  /pair ${code}`)
    out.line(`It makes one person ${authority}, and is good until ${clock(expires_at)}.`)
  })
}

export async function listPeers({ client, out }: CliSession): Promise<void> {
  out.value(await client.channels.listPeers(), ({ peers }) => {
    if (peers.length === 0) return out.line('Nobody is paired. Make a code with: keel channels pair CHANNEL')
    out.table(
      ['ID', 'CHANNEL', 'NAME', 'SENDER', 'CHAT', 'AUTHORITY', 'PAIRED'],
      peers.map((peer) => [
        peer.id,
        peer.channel,
        oneLine(peer.sender_name ?? '–', shownText),
        peer.sender_id,
        peer.chat_id,
        peer.authority,
        clock(peer.paired_at),
      ]),
    )
  })
}

export async function unpair({ client, out }: CliSession, id: string): Promise<void> {
  out.value(await client.channels.deletePeer({ params: { id } }), () => out.line(`${id} is not paired any more.`))
}

/** Asks the platform who Keel is there, and returns the exit code: 1 where it does not say. */
export async function testChannel(
  { client, out }: CliSession,
  channel: string,
  { chat, text }: { chat?: string; text?: string },
): Promise<number> {
  if (text !== undefined && chat === undefined) throw new RuntimeError('invalid', '--text needs --chat')
  const body = given({ chat_id: chat, text })
  const tested = await client.channels.testChannel({ params: { channel }, body })
  out.value(tested, ({ ok, identity, error, delivery_id }) => {
    if (!ok) return out.note(`${channel}: ${error ?? 'the platform does not say who Keel is there'}`)
    out.line(`On ${channel} Keel is ${terminalLine(identity ?? 'nobody')}.`)
    if (delivery_id !== null) out.line(`A message is on its way (${delivery_id}).`)
  })
  return tested.ok ? 0 : 1
}

export async function sendMessage(
  { client, out }: CliSession,
  channel: string,
  chat_id: string,
  { words, thread }: { words: readonly string[]; thread?: string },
): Promise<void> {
  const body = { chat_id, text: words.join(' '), ...given({ thread_id: thread }) }
  out.value(await client.channels.sendMessage({ params: { channel }, body }), ({ delivery_id }) =>
    out.line(`It is on its way (${delivery_id}).`),
  )
}

export async function listDeadLetters({ client, out }: CliSession, { limit }: { limit: string }): Promise<void> {
  out.value(await client.channels.listDeadLetters({ query: { limit } }), ({ items }) => {
    if (items.length === 0) return out.line('There are no dead letters.')
    out.table(
      ['ID', 'CHANNEL', 'TO', 'SINCE', 'TRIES', 'CODE', 'ERROR', 'TEXT'],
      items.map((item) => [
        ...[item.id, item.channel, item.recipient_id, clock(item.created_at), String(item.attempts)],
        ...[item.error_code ?? '–', oneLine(item.last_error ?? '–', shownError), oneLine(item.content, shownText)],
      ]),
    )
  })
}

export interface DeadLetterChoice {
  all?: boolean
  yes?: boolean
}

export async function replayDeadLetters(session: CliSession, id: string | undefined, choice: DeadLetterChoice) {
  const { client, out } = session
  const chosen = await deadLettersOf(session, id, choice)
  for (const params of chosen) await client.channels.replayDeadLetter({ params })
  out.value({ replayed: chosen.map((each) => each.id) }, ({ replayed }) => out.line(toldOf(replayed, 'sent again')))
}

/** What is discarded is never sent, so all of them are discarded only where that is meant. */
export async function discardDeadLetters(session: CliSession, id: string | undefined, choice: DeadLetterChoice) {
  const { client, out } = session
  const chosen = await deadLettersOf(session, id, choice)
  const isMeant = !choice.all || choice.yes || chosen.length === 0
  if (!isMeant && !(await confirmed(session, `Discard these ${chosen.length} for good? [y/N] `))) {
    out.note('Nothing was discarded. Without a terminal, say --yes.')
    return
  }
  for (const params of chosen) await client.channels.discardDeadLetter({ params })
  out.value({ discarded: chosen.map((each) => each.id) }, ({ discarded }) => out.line(toldOf(discarded, 'discarded')))
}

async function deadLettersOf(
  { client }: CliSession,
  id: string | undefined,
  { all = false }: DeadLetterChoice,
): Promise<Pick<DeadLetter, 'id'>[]> {
  if ((id !== undefined) === all) throw new RuntimeError('invalid', 'Say which: its id, or --all')
  if (id !== undefined) return [{ id }]
  return (await client.channels.listDeadLetters({ query: { limit: wholePage } })).items
}

function toldOf(ids: readonly string[], what: string): string {
  if (ids.length === 0) return 'There are no dead letters.'
  return ids.length === 1 ? `${ids[0]} is ${what}.` : `${ids.length} dead letters are ${what}.`
}

export interface OutboxOptions {
  channel?: PlatformName
  status?: Delivery['status']
  limit: string
}

export async function listOutbox({ client, out }: CliSession, { channel, status, limit }: OutboxOptions) {
  const query = { limit, ...given({ channel, status }) }
  out.value(await client.channels.listDeliveries({ query }), ({ deliveries }) => {
    if (deliveries.length === 0) return out.line('There is nothing in the outbox.')
    out.table(
      ['ID', 'CHANNEL', 'TO', 'SINCE', 'STATUS', 'TRIES', 'NEXT', 'ERROR', 'TEXT'],
      deliveries.map((row) => [
        ...[row.id, row.channel, row.recipient_id, clock(row.created_at), row.status, String(row.attempts)],
        row.status === 'pending' ? nextTry(row) : '–',
        ...[oneLine(row.last_error ?? '–', shownError), oneLine(row.content, shownText)],
      ]),
    )
  })
}

function nextTry({ next_retry_at }: Pick<Delivery, 'next_retry_at'>): string {
  const seconds = (Date.parse(next_retry_at) - Date.now()) / 1_000
  return seconds > 0 ? `in ${duration(seconds)}` : 'now'
}

export async function restartChannel({ client, out }: CliSession, channel: string): Promise<void> {
  out.value(await client.channels.restartChannel({ params: { channel } }), () =>
    out.line(`${channel} is started anew; the other channels go on as they are.`),
  )
}

export async function setChannelSecret(
  { client, io, out }: CliSession,
  channel: string,
  secret: string,
  { forget = false }: { forget?: boolean },
): Promise<void> {
  const params = { channel, secret }
  if (forget) {
    const answer = await client.channels.deleteChannelSecret({ params })
    return out.value(answer, ({ removed }) =>
      out.line(removed ? `The ${secret} of ${channel} is forgotten.` : `${channel} had no ${secret} stored.`),
    )
  }
  const value = await readSecret(io, `${secret} of ${channel}: `)
  const answer = await client.channels.setChannelSecret({ params, body: { value } })
  out.value(answer, () => out.line(`The ${secret} of ${channel} is stored sealed, and in use.`))
}
