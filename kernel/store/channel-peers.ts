import type { PlatformName } from '#sdk/channels/platforms.ts'
import { newId, timestamp } from '#sdk/ids.ts'
import type { Authority } from '#sdk/services/agent.ts'
import { type ReadableDb, sql, type WritableDb } from './database.ts'

/** Someone who has shown a code that the operator gave them. */
export interface PeerRow {
  id: string
  channel: PlatformName
  sender_id: string
  sender_name: string | null
  /** Where they showed it, to Keel alone. */
  chat_id: string
  authority: Authority
  paired_at: string
}

/** Whoever shows another code has what that one gives. */
export function savePeer(db: WritableDb, peer: Omit<PeerRow, 'id' | 'paired_at'>): PeerRow {
  return sql(
    db,
    `INSERT INTO channel_peers (id, channel, sender_id, sender_name, chat_id, authority, paired_at)
     VALUES (@id, @channel, @sender_id, @sender_name, @chat_id, @authority, @now)
     ON CONFLICT (channel, sender_id) DO UPDATE SET sender_name = excluded.sender_name, chat_id = excluded.chat_id,
       authority = excluded.authority, paired_at = excluded.paired_at
     RETURNING *`,
  ).get({ id: newId(), ...peer, now: timestamp() }) as PeerRow
}

export function findPeer(db: ReadableDb, channel: PlatformName, senderId: string): PeerRow | undefined {
  return sql(db, 'SELECT * FROM channel_peers WHERE channel = ? AND sender_id = ?').get(channel, senderId) as
    | PeerRow
    | undefined
}

/** In the order in which they were paired. */
export function listPeers(db: ReadableDb): PeerRow[] {
  return sql(db, 'SELECT * FROM channel_peers ORDER BY paired_at, rowid').all() as PeerRow[]
}

export function deletePeer(db: WritableDb, id: string): boolean {
  return sql(db, 'DELETE FROM channel_peers WHERE id = ?').run(id).changes > 0
}

export interface PairingCode {
  code_hash: string
  channel: PlatformName
  authority: Authority
  expires_at: string
}

export function insertPairingCode(db: WritableDb, code: PairingCode): void {
  sql(
    db,
    `INSERT INTO pairing_codes (code_hash, channel, authority, expires_at, created_at)
     VALUES (@code_hash, @channel, @authority, @expires_at, @now)`,
  ).run({ ...code, now: timestamp() })
}

/** Removes those whose time is over; returns how many are left. */
export function countPairingCodes(db: WritableDb): number {
  sql(db, 'DELETE FROM pairing_codes WHERE expires_at <= ?').run(timestamp())
  return (sql(db, 'SELECT count(*) AS n FROM pairing_codes').get() as { n: number }).n
}

/** The code's row where it holds now; it does not a second time. */
export function takePairingCode(db: WritableDb, channel: PlatformName, codeHash: string): PairingCode | undefined {
  const text = 'DELETE FROM pairing_codes WHERE code_hash = ? AND channel = ? AND expires_at > ? RETURNING *'
  return sql(db, text).get(codeHash, channel, timestamp()) as PairingCode | undefined
}
