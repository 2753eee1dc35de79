import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

const headerBytes = 32
const frameHeaderBytes = 24
/** Of the first four bytes; the last bit tells the byte order of the sums. */
const magicLittle = 0x377f0682
const magicBig = 0x377f0683
/** A longer log is looked at up to here, so that a start is not held up. */
const maxBytes = 64 * 1024 * 1024

/** What is lost: all that was stored after `soundBytes` of the log, `bytes` in all. */
export interface WalDamage {
  soundBytes: number
  bytes: number
}

type Sum = readonly [number, number]

/**
 * Damage in the write-ahead log at `path`, with transactions of the same log behind it. SQLite itself takes the first
 * frame whose sum is wrong for the end and drops, without a word, all that was stored after it. A last transaction that
 * is torn is none: it was never finished. Nor are frames of an earlier round, which have another salt.
 */
export function findWalDamage(path: string): WalDamage | undefined {
  const file = openSync(path, 'r')
  try {
    const bytes = Math.min(fstatSync(file).size, maxBytes)
    if (bytes < headerBytes + frameHeaderBytes) return undefined
    const log = Buffer.alloc(bytes)
    return damageIn(log.subarray(0, readSync(file, log, 0, bytes, 0)))
  } finally {
    closeSync(file)
  }
}

function damageIn(log: Buffer): WalDamage | undefined {
  const magic = log.readUInt32BE(0)
  const isLittle = magic === magicLittle
  const pageBytes = log.readUInt32BE(8)
  let sum = addTo([0, 0], log.subarray(0, 24), isLittle)
  const isSound = (isLittle || magic === magicBig) && isSum(sum, log, 24)
  // A header that was never written is all zeros, whatever the file system put behind it.
  if (!isSound) return log.subarray(0, headerBytes).some((byte) => byte !== 0) ? lossAfter(0, log) : undefined

  const salts = log.subarray(16, 24)
  const frameBytes = frameHeaderBytes + pageBytes
  let soundBytes = headerBytes
  let isBroken = false
  for (let at = headerBytes; at + frameBytes <= log.length; at += frameBytes) {
    const header = log.subarray(at, at + frameHeaderBytes)
    const isOurs = header.subarray(8, 16).equals(salts)
    const isCommit = header.readUInt32BE(4) !== 0
    if (isBroken) {
      if (isOurs && isCommit) return lossAfter(soundBytes, log)
      continue
    }
    if (isOurs) {
      const next = addTo(addTo(sum, header.subarray(0, 8), isLittle), log.subarray(at + 24, at + frameBytes), isLittle)
      if (isSum(next, header, 16)) {
        sum = next
        if (isCommit) soundBytes = at + frameBytes
        continue
      }
    }
    isBroken = true
  }
  return undefined
}

function lossAfter(soundBytes: number, log: Buffer): WalDamage {
  return { soundBytes, bytes: log.length }
}

/** SQLite's sum over pairs of 32-bit words. */
function addTo(sum: Sum, data: Buffer, isLittle: boolean): Sum {
  let [first, second] = sum
  const view = new DataView(data.buffer, data.byteOffset, data.length)
  for (let at = 0; at + 8 <= data.length; at += 8) {
    first = (first + view.getUint32(at, isLittle) + second) >>> 0
    second = (second + view.getUint32(at + 4, isLittle) + first) >>> 0
  }
  return [first, second]
}

/** The stored sums are big-endian in either case. */
function isSum([first, second]: Sum, log: Buffer, at: number): boolean {
  return log.readUInt32BE(at) === first && log.readUInt32BE(at + 4) === second
}
