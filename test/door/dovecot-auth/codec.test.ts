import fc from 'fast-check'
import t from 'tap'
import { decodeBase64 } from '../../../src/door/dovecot-auth/base64.ts'
import { parseCommand, type Command } from '../../../src/door/dovecot-auth/command.ts'
import { Framer, MAX_LINE_BYTES } from '../../../src/door/dovecot-auth/framer.ts'
import {
  answerOf,
  formatCont,
  formatFail,
  formatHandshake,
  formatOk,
} from '../../../src/door/dovecot-auth/reply.ts'
import { escapeTabs, unescapeTabs } from '../../../src/door/dovecot-auth/tab-escape.ts'
import { SWEEP_MS, Timetable, type Due } from '../../../src/timetable.ts'
import { VERDICTS } from '../../../src/login/why.ts'
import { auth, parseServerLine } from './client.ts'
import { outcomeOf } from './rig.ts'

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1')

function parse(text: string): Command {
  const line = latin1(text)
  return parseCommand(line, 0, line.length)
}

t.test('framer', async (t) => {
  const lines: string[] = []
  const collect = (): Framer => {
    lines.length = 0
    return new Framer((line, start, end) => {
      lines.push(line.toString('latin1', start, end))
      return true
    })
  }

  t.test('gives the same lines however the bytes are cut', async () => {
    const chunks = fc.array(
      fc.string({ unit: fc.constantFrom('a', 'b', '\t', '\n', '\r', '\0'), maxLength: 40 }),
    )
    fc.assert(
      fc.property(chunks, (chunks) => {
        const framer = collect()
        for (const chunk of chunks) framer.push(latin1(chunk))
        const all = chunks.join('').split('\n')
        return JSON.stringify(lines) === JSON.stringify(all.slice(0, -1))
      }),
    )
  })

  t.test('takes 16,384 bytes with the LF and not one more, in one piece or many', async (t) => {
    const longest = `${'x'.repeat(MAX_LINE_BYTES - 1)}\n`
    for (const size of [1, 7, 100, 16_384, 65_536]) {
      const push = (text: string): boolean => {
        const framer = collect()
        for (let at = 0; at < text.length; at += size) {
          if (!framer.push(latin1(text.slice(at, at + size)))) return false
        }
        return true
      }
      t.equal(push(`${longest}next\n`), true)
      t.same(
        lines.map((line) => line.length),
        [MAX_LINE_BYTES - 1, 4],
      )
      t.equal(push(`x${longest}`), false)
      t.same(lines, [])
      t.equal(push('x'.repeat(MAX_LINE_BYTES)), true)
      t.equal(push('x'.repeat(MAX_LINE_BYTES + 1)), false)
      t.equal(push('x'.repeat(1_000_000)), false)
    }
  })

  t.test('stops where the line is refused', async (t) => {
    const seen: string[] = []
    const framer = new Framer((line, start, end) => {
      seen.push(line.toString('latin1', start, end))
      return seen.length < 2
    })
    framer.push(latin1('o'))
    framer.push(latin1('ne\ntwo\nthree\n'))
    t.same(seen, ['one', 'two'])
  })

  t.test('overwrites what it held', async (t) => {
    const held: Buffer[] = []
    const framer = new Framer((line) => {
      held.push(line)
      return true
    })
    framer.push(latin1('resp=c2Vj'))
    framer.push(latin1('cmV0\n'))
    t.ok(held[0]?.every((byte) => byte === 0))
  })
})

t.test('base64', async (t) => {
  const decode = (text: string): string | undefined => {
    const target = Buffer.alloc(text.length + 3)
    const length = decodeBase64(latin1(text), target)
    return length === -1 ? undefined : target.toString('latin1', 0, length)
  }

  t.test('decodes what any encoder writes', async () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (array) => {
        const bytes = Buffer.from(array)
        return decode(bytes.toString('base64')) === bytes.toString('latin1')
      }),
    )
  })

  t.test('takes blanks and left-over bits, wants padding', async (t) => {
    t.equal(decode(''), '')
    t.equal(decode('  '), '')
    t.equal(decode(' dUB4 Lm9y\tZw= =\r\n'), 'u@x.org')
    t.equal(decode('dUB4Lm9yZx=='), 'u@x.org')
    for (const bad of ['dUB4Lm9yZw', 'dUB4Lm9yZw=', 'dUB4Lm9yZw===', 'dUB4=', 'dUB4====', 'A', 'A===']) {
      t.equal(decode(bad), undefined, bad)
    }
    for (const bad of [
      '=',
      '==',
      '!!!!',
      'dU_4',
      'dU-4',
      'dUB4Lm9yZw==AA',
      'dU\x0bB4',
      'dU\0B4',
      'dUB\xe9',
    ]) {
      t.equal(decode(bad), undefined, JSON.stringify(bad))
    }
  })

  t.test('never throws and never writes more than three quarters', async () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (array) => {
        return decodeBase64(Buffer.from(array), Buffer.alloc(100)) <= (array.length * 3) / 4
      }),
    )
  })
})

t.test('tab escaping', async (t) => {
  t.equal(escapeTabs('a\tb\nc\rd\u0001e\0f'), 'a\u0001tb\u0001nc\u0001rd\u00011e\u00010f')
  t.equal(unescapeTabs(latin1('\u0001x\u0001')).toString('latin1'), 'x', 'others stand for themselves')
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 50 }), (text) => {
      const escaped = escapeTabs(text)
      return (
        !/[\0\t\r\n]/.test(escaped) &&
        unescapeTabs(Buffer.from(escaped, 'utf8')).equals(Buffer.from(text, 'utf8'))
      )
    }),
  )
})

t.test('commands', async (t) => {
  t.test('AUTH as Postfix, Exim and Dovecot write it', async (t) => {
    const none = { remoteIp: undefined, localIp: undefined, secured: false, sessionId: undefined }
    t.same(
      parse('AUTH\t1\tPLAIN\tservice=smtp\tnologin\tlip=192.0.2.1\trip=2001:db8::7\tsecured\tresp=AA=='),
      {
        kind: 'auth',
        id: 1,
        mechanism: 'PLAIN',
        service: 'smtp',
        remoteIp: '2001:db8::7',
        localIp: '192.0.2.1',
        secured: true,
        sessionId: undefined,
        response: latin1('AA=='),
      },
    )
    t.match(parse('AUTH\t4294967295\tLOGIN\tservice=imap\tsecured=tls\tsession=2Q+/aB\tlocal_name=mx'), {
      id: 4_294_967_295,
      service: 'imap',
      secured: true,
      sessionId: '2Q+/aB',
      response: undefined,
    })
    t.match(parse('AUTH\t007\tplain\tservice=smtp\trip=\tlip=nonsense\tresp='), {
      ...none,
      id: 7,
      mechanism: 'plain',
      response: latin1(''),
    })
    t.match(parse('AUTH\t1\tPLAIN\tservice\tresp'), { service: 'other', response: latin1('') })
    t.match(parse('AUTH\t1\tPLAIN\tprotocol=pop3\tresp=AA=='), { service: 'pop3' }, 'as Dovecot 2.4 calls it')
    t.match(parse('AUTH\t1\tPLAIN\tservice=imap\tprotocol=pop3'), { service: 'imap' })
    t.match(parse('AUTH\t1\tPLAIN\tservice=a\tservice=imap\t'), { service: 'imap' }, 'the last one counts')
    t.match(parse(`AUTH\t1\tPLAIN\tservice=${'x'.repeat(5000)}`), { service: 'other' })
    t.match(parse('AUTH\t1\tPLAIN\tservice=im\u0001ap'), { service: 'imap' })
    const session = parse(`AUTH\t1\tPLAIN\tservice=smtp\tsession=${'s'.repeat(5000)}`)
    t.equal(session.kind === 'auth' && session.sessionId?.length, 255)
    t.match(parse('AUTH\t1\tPLAIN\tservice=smtp\tresponse=x\tresp=AA\u0001n=='), {
      response: latin1('AA\n=='),
    })
  })

  t.test('the others', async (t) => {
    t.same(parse('VERSION\t1\t2'), { kind: 'version', major: 1, minor: 2 })
    t.same(parse('CPID\t5'), { kind: 'cpid', pid: 5 })
    t.same(parse('CANCEL\t9'), { kind: 'cancel', id: 9 })
    t.same(parse('CONT\t9\t'), { kind: 'cont', id: 9, response: latin1('') })
    t.same(parse('CONT\t9\ta\tb'), { kind: 'cont', id: 9, response: latin1('a\tb') }, 'the rest is data')
  })

  t.test('what Dovecot drops the connection for is broken', async (t) => {
    const ids = ['0', '-1', '+1', ' 1', '0x1', '1.0', '4294967296', '99999999999999999999', '']
    const lines = [
      ['', '\t', 'auth\t1\tPLAIN\tservice=a', 'AU\u0001TH\t1\tPLAIN\tservice=a', 'FOO\t1'],
      ['AUTH', 'AUTH\t1', 'AUTH\t1\tPLAIN', 'AUTH\t1\tPLAIN\tresp=AAAA'],
      ids.map((id) => `AUTH\t${id}\tPLAIN\tservice=smtp`),
      ['AUTH\t1\tPLAIN\tresp=AAAA\tservice=smtp', 'AUTH\t1\tPLAIN\tservice=smtp\tresp=AAAA\t'],
      ['AUTH\t1\tPLAIN\tservice=smtp\tresp\tresp=AAAA'],
      ['CONT', 'CONT\t1', 'CONT\tx\tAA==', 'CANCEL', 'CANCEL\tx', 'CANCEL\t1\t', 'CANCEL\t1\tx'],
      ['VERSION', 'VERSION\t1', 'VERSION\t1\t', 'VERSION\t1\tx', 'VERSION\t1\t2\tx'],
      ['VERSION\t1\t99999999999', 'CPID', 'CPID\t', 'CPID\t0', 'CPID\t5x', 'CPID\t5\tx'],
    ].flat()
    for (const line of lines) t.equal(parse(line).kind, 'broken', JSON.stringify(line))
  })

  t.test('format then parse is identity, no bytes throw', async () => {
    const id = fc.integer({ min: 1, max: 4_294_967_295 })
    const session = fc.string({ unit: 'binary', minLength: 1, maxLength: 60 })
    fc.assert(
      fc.property(id, session, fc.ipV4(), fc.ipV6(), fc.base64String(), (id, session, rip, lip, response) => {
        const text = auth(id, 'PLAIN', response, [
          'service=imap',
          `session=${session}`,
          `rip=${rip}`,
          `lip=${lip}`,
        ])
        const line = Buffer.from(text, 'utf8')
        const command = parseCommand(line, 0, line.length - 1)
        return (
          command.kind === 'auth' &&
          command.id === id &&
          command.sessionId === Buffer.from(session, 'utf8').toString('utf8') &&
          command.remoteIp === rip &&
          command.localIp === lip &&
          command.response?.toString('latin1') === response
        )
      }),
    )
    const tokens = fc.constantFrom(
      'AUTH',
      'CONT',
      'CANCEL',
      '\t',
      '=',
      'resp',
      'service',
      '1',
      '\u0001',
      '\0',
    )
    const line = fc.array(fc.oneof(tokens, fc.string({ unit: 'binary', maxLength: 5 })), { maxLength: 20 })
    fc.assert(fc.property(line, (parts) => void parse(parts.join(''))))
  })
})

t.test('replies', async (t) => {
  t.test('the handshake fits one recv of 1024 bytes, MECH before SPID', async (t) => {
    const handshake = formatHandshake(4_194_304, 4_294_967_295, 'f'.repeat(32))
    t.ok(Buffer.byteLength(handshake) < 1024)
    t.match(
      handshake,
      /^VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nSPID\t4194304\nCUID\t[0-9]+\nCOOKIE\t[0-9a-f]{32}\nDONE\n$/,
    )
  })

  t.test('lines', async (t) => {
    t.equal(formatCont(1, ''), 'CONT\t1\t\n', 'the TAB stays')
    t.equal(formatCont(1, 'Username:'), 'CONT\t1\tVXNlcm5hbWU6\n')
    t.equal(formatFail(2, { user: 'a\tb\n\u0001' }), 'FAIL\t2\tuser=a\u0001tb\u0001n\u00011\n')
    t.equal(formatOk(3, 'joe@example.org'), 'OK\t3\tuser=joe@example.org\n')
    for (const name of ['', 'a\tb', 'a\nb', 'a\u0001b', 'a\u007fb', 'a\0b']) {
      t.equal(formatOk(3, name), undefined, JSON.stringify(name))
    }
  })

  t.test('each verdict has its answer', async (t) => {
    const line = (...args: Parameters<typeof outcomeOf>): unknown => {
      const answer = answerOf(outcomeOf(...args), 5, 'Joe@example.org')
      return answer.kind === 'unavailable' ? answer.kind : answer.line
    }
    const bare = 'FAIL\t5\tuser=Joe@example.org\n'
    t.equal(line('verified'), 'OK\t5\tuser=joe@example.org\n')
    t.equal(line('verified', { mailbox: undefined }), 'unavailable')
    t.equal(line('hash_differs'), bare)
    t.equal(line('no_such_user'), bare)
    const matched = { credential: 'main' }
    t.equal(line('mailbox_inactive', matched), 'FAIL\t5\tuser=Joe@example.org\tcode=user_disabled\n')
    t.equal(line('service_closed', matched), 'FAIL\t5\tuser=Joe@example.org\tcode=user_disabled\n')
    t.equal(
      line('app_password_expired', matched),
      'FAIL\t5\tuser=Joe@example.org\tcode=pass_expired\treason=Password expired\n',
    )
    t.equal(line('no_hash'), bare, 'without a right password nobody learns that the user exists')
    t.equal(line('busy'), 'unavailable')
    t.equal(line('directory_down'), 'unavailable')
    t.equal(VERDICTS.length, 8)
  })

  t.test('no name breaks the line it is in', async () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (user) => {
        const line = formatFail(7, { user })
        const parsed = parseServerLine(line.slice(0, -1))
        const [field = ''] = parsed?.fields ?? []
        return (
          line.indexOf('\n') === line.length - 1 &&
          parsed?.fields.length === 1 &&
          unescapeTabs(Buffer.from(field.slice('user='.length), 'utf8')).equals(Buffer.from(user, 'utf8'))
        )
      }),
    )
  })
})

t.test('timetable calls each entry once, not before its time and within two sweeps after', async (t) => {
  const timetable = new Timetable(12_345)
  let now = 12_345
  class Entry implements Due {
    bucket: number | undefined = undefined
    called: number[] = []
    due(nowMs: number): void {
      this.called.push(nowMs)
    }
  }
  const entries = [0, 1, 99, 100, 101, 2000, 7999, 150_000].map((afterMs) => {
    const entry = new Entry()
    timetable.add(entry, now + afterMs)
    return { entry, atMs: now + afterMs }
  })
  const removed = new Entry()
  timetable.add(removed, now + 50)
  timetable.add(removed, now + 3000)
  timetable.remove(removed)
  for (let step = 0; step < 1600; step += 1) {
    now += SWEEP_MS
    timetable.sweep(now)
  }
  for (const { entry, atMs } of entries) {
    t.equal(entry.called.length, 1)
    const lateMs = (entry.called[0] ?? 0) - atMs
    t.ok(lateMs >= 0 && lateMs <= 2 * SWEEP_MS, `late by ${lateMs}`)
  }
  t.same(removed.called, [])
  t.ok(timetable.isEmpty)

  const late = new Entry()
  timetable.add(late, now + 500)
  timetable.sweep(now + 3_600_000)
  t.equal(late.called.length, 1, 'also after a long pause')
})
