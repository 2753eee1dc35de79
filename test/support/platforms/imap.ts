import { EventEmitter, once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { Faults } from './faults.ts'
import { bodyStructure, readMime, sectionOf } from './mime-tree.ts'

export interface StoredMail {
  uid: number
  raw: Buffer
  flags: Set<string>
  arrivedAt: Date
}

/** How a command fails: the line that answers it in place of the right one, or a connection that is dropped. */
export type ImapFault = { answer: string } | 'drop' | 'hang'

export interface ImapAccount {
  user: string
  password: string
  token: string
}

/**
 * An IMAP4rev1 server on loopback with one account and its inbox: as much of RFC 3501, IDLE, SASL-IR and XOAUTH2 as it
 * takes to read mail. `events` tells of `command`, `idle` and `seen`.
 */
export class FakeImap {
  readonly events = new EventEmitter()
  readonly mails: StoredMail[] = []
  /** Each command as it came, without its tag and without what it signed in with. */
  readonly commands: string[] = []
  uidValidity = 1_700_000_001
  uidNext = 1
  /** Where false, it does not say that it knows IDLE. */
  idles = true
  readonly #account: ImapAccount
  readonly #sockets = new Set<Socket>()
  readonly #idling = new Map<Socket, string>()
  /** Of those that have opened the inbox, how many messages they know of. */
  readonly #told = new Map<Socket, number>()
  readonly #faults = new Faults<ImapFault>()
  readonly #server = createServer((socket) => this.#greet(socket))

  constructor(account: ImapAccount) {
    this.#account = account
  }

  async listen(port = 0): Promise<void> {
    this.#server.listen(port, '127.0.0.1')
    await once(this.#server, 'listening')
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  failNext(count: number, fault: ImapFault, only?: RegExp): void {
    this.#faults.next(count, fault, only)
  }

  store(raw: Buffer): StoredMail {
    const mail = { uid: this.uidNext++, raw, flags: new Set<string>(), arrivedAt: new Date() }
    this.mails.push(mail)
    for (const socket of this.#idling.keys()) this.#tellNews(socket)
    return mail
  }

  drop(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async close(): Promise<void> {
    this.#server.close()
    this.drop()
    await once(this.#server, 'close')
  }

  /** Outside IDLE news wait for the next command. */
  #tellNews(socket: Socket): void {
    const told = this.#told.get(socket)
    if (told === undefined || told === this.mails.length) return
    socket.write(`* ${this.mails.length} EXISTS\r\n`)
    this.#told.set(socket, this.mails.length)
  }

  #greet(socket: Socket): void {
    this.#sockets.add(socket)
    socket.setNoDelay()
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#sockets.delete(socket)
      this.#told.delete(socket)
      this.#idling.delete(socket)
    })
    socket.write(`* OK [CAPABILITY ${this.#capabilities}] ready\r\n`)
    let pending = ''
    /** The tag of a sign-in whose second line is awaited. */
    let signingIn: { tag: string; mechanism: string } | null = null
    socket.on('data', (bytes) => {
      pending += bytes.toString('latin1')
      const lines = pending.split('\r\n')
      pending = lines.pop() ?? ''
      for (const line of lines) {
        if (signingIn) {
          const { tag, mechanism } = signingIn
          signingIn = null
          // After a refusal of a token the client sends an empty line.
          if (line !== '') this.#signIn(socket, tag, mechanism, line)
          else socket.write(`${tag} NO [AUTHENTICATIONFAILED] Invalid credentials\r\n`)
        } else if (line.toUpperCase() === 'DONE') {
          socket.write(`${this.#idling.get(socket)} OK done\r\n`)
          this.#idling.delete(socket)
        } else {
          const [, tag = '*', mechanism, initial] = /^(\S+) AUTHENTICATE (\S+)(?: (\S+))?$/i.exec(line) ?? []
          if (mechanism !== undefined && initial === undefined) {
            signingIn = { tag, mechanism }
            socket.write('+ \r\n')
          } else if (mechanism !== undefined && initial !== undefined) this.#signIn(socket, tag, mechanism, initial)
          else this.#answer(socket, line)
        }
      }
    })
  }

  get #capabilities(): string {
    return ['IMAP4rev1', 'SASL-IR', 'AUTH=PLAIN', 'AUTH=XOAUTH2', ...(this.idles ? ['IDLE'] : [])].join(' ')
  }

  #signIn(socket: Socket, tag: string, mechanism: string, encoded: string): void {
    const { user, password, token } = this.#account
    this.commands.push(`AUTHENTICATE ${mechanism.toUpperCase()}`)
    if (this.#faulted(socket, tag, 'AUTHENTICATE')) return
    const given = Buffer.from(encoded, 'base64').toString('utf8')
    const plain = mechanism.toUpperCase() === 'PLAIN'
    const right = plain ? `\0${user}\0${password}` : `user=${user}\x01auth=Bearer ${token}\x01\x01`
    if (given === right) socket.write(`${tag} OK [CAPABILITY ${this.#capabilities}] signed in\r\n`)
    else socket.write(`${tag} NO [AUTHENTICATIONFAILED] Invalid credentials for ${given}\r\n`)
  }

  #faulted(socket: Socket, tag: string, command: string): boolean {
    const fault = this.#faults.take(command)
    if (!fault) return false
    if (fault === 'drop') socket.destroy()
    else if (fault !== 'hang') socket.write(fault.answer.replaceAll('TAG', tag))
    return true
  }

  #answer(socket: Socket, line: string): void {
    const [tag = '*', ...words] = line.split(' ')
    const command = words.join(' ')
    const [name = ''] = (words[0]?.toUpperCase() === 'UID' ? words.slice(0, 2).join(' ') : (words[0] ?? '')).split('\0')
    this.commands.push(name.toUpperCase() === 'LOGIN' ? 'LOGIN' : command)
    this.events.emit('command', command)
    if (this.#faulted(socket, tag, command)) return
    const ok = (text = 'done') => socket.write(`${tag} OK ${text}\r\n`)
    switch (name.toUpperCase()) {
      case 'CAPABILITY':
        socket.write(`* CAPABILITY ${this.#capabilities}\r\n`)
        return void ok()
      case 'LIST':
        socket.write(
          words.at(-1) === '""' ? '* LIST (\\Noselect) "/" ""\r\n' : '* LIST (\\HasNoChildren) "/" INBOX\r\n',
        )
        return void ok()
      case 'LSUB':
      case 'NAMESPACE':
        return void ok()
      case 'SELECT':
        this.#told.set(socket, this.mails.length)
        socket.write('* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n')
        socket.write(`* ${this.mails.length} EXISTS\r\n* OK [PERMANENTFLAGS (\\Seen \\*)] all\r\n`)
        socket.write(`* OK [UIDVALIDITY ${this.uidValidity}] valid\r\n* OK [UIDNEXT ${this.uidNext}] next\r\n`)
        return void ok('[READ-WRITE] selected')
      case 'NOOP':
        this.#tellNews(socket)
        return void ok()
      case 'UID SEARCH':
        socket.write(`* SEARCH${this.#inRange(words.at(-1) ?? '').map(({ uid }) => ` ${uid}`)}\r\n`.replaceAll(',', ''))
        return void ok()
      case 'UID FETCH':
        for (const mail of this.#inRange(words[2] ?? '')) this.#writeMail(socket, mail, words.slice(3).join(' '))
        return void ok()
      case 'UID STORE':
        for (const mail of this.#inRange(words[2] ?? '')) mail.flags.add('\\Seen')
        ok()
        return void this.events.emit('seen')
      case 'IDLE':
        this.#idling.set(socket, tag)
        socket.write('+ idling\r\n')
        this.#tellNews(socket)
        return void this.events.emit('idle')
      case 'LOGOUT':
        socket.end(`* BYE bye\r\n${tag} OK done\r\n`)
        return
      default:
        socket.write(`${tag} BAD unknown\r\n`)
    }
  }

  /** `1,3:*`; a star is the last there is, whatever stands before it. */
  #inRange(range: string): StoredMail[] {
    const last = this.mails.at(-1)?.uid ?? 0
    const spans = range.split(',').map((span) => {
      const [from = 0, to = from] = span.split(':').map((end) => (end === '*' ? last : Number(end)))
      return { from: Math.min(from, to), to: Math.max(from, to) }
    })
    return this.mails.filter(({ uid }) => spans.some(({ from, to }) => uid >= from && uid <= to))
  }

  #writeMail(socket: Socket, mail: StoredMail, query: string): void {
    const items: Buffer[] = []
    const asked = query.matchAll(/BODY\.PEEK\[([^\]]*)\](?:<(\d+)\.(\d+)>)?|[A-Z0-9.]+/gi)
    for (const [item, section, from, length] of asked) {
      if (section !== undefined) {
        const found = sectionOf(mail.raw, section.toUpperCase())
        const start = Number(from ?? 0)
        const bytes = from === undefined ? found : (found?.subarray(start, start + Number(length)) ?? null)
        const name = `BODY[${section}]${from === undefined ? '' : `<${from}>`}`
        items.push(
          bytes ? Buffer.concat([Buffer.from(`${name} {${bytes.length}}\r\n`), bytes]) : Buffer.from(`${name} NIL`),
        )
      } else items.push(Buffer.from(itemOf(mail, item.toUpperCase())))
    }
    const parts = items.flatMap((item, index) => (index === 0 ? [item] : [Buffer.from(' '), item]))
    socket.write(
      Buffer.concat([Buffer.from(`* ${this.mails.indexOf(mail) + 1} FETCH (`), ...parts, Buffer.from(')\r\n')]),
    )
  }
}

function itemOf({ uid, raw, flags, arrivedAt }: StoredMail, item: string): string {
  switch (item) {
    case 'UID':
      return `UID ${uid}`
    case 'FLAGS':
      return `FLAGS (${[...flags].join(' ')})`
    case 'RFC822.SIZE':
      return `RFC822.SIZE ${raw.length}`
    case 'INTERNALDATE': {
      const [, day, month, year, time] = /^\w+, (\d+) (\w+) (\d+) ([\d:]+)/.exec(arrivedAt.toUTCString()) ?? []
      return `INTERNALDATE "${day}-${month}-${year} ${time} +0000"`
    }
    case 'BODYSTRUCTURE':
      return `BODYSTRUCTURE ${bodyStructure(readMime(raw))}`
    default:
      return `${item} NIL`
  }
}
