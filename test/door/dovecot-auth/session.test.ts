import fc from 'fast-check'
import t from 'tap'
import { auth, base64, cont, hello, parseServerLine, plainLogin, plainMessage } from './client.ts'
import { joe, outcomeOf, Rig, type RigOptions } from './rig.ts'
import { TRANSCRIPTS, type Transcript } from './transcripts.ts'

const good = plainMessage('joe@example.org', 'secret')
const OK1 = 'OK\t1\tuser=joe@example.org\n'

function play(transcript: Transcript, chunks: readonly string[], options: RigOptions = {}): string {
  const rig = new Rig(options)
  for (const chunk of chunks) rig.send(chunk)
  const logins = rig.requests.map((request, index) => [request.username, rig.passwords[index]])
  const expected = {
    server: transcript.server,
    closed: transcript.closed,
    logins: transcript.logins ?? logins,
  }
  const found = { server: rig.output, closed: rig.closed, logins }
  return JSON.stringify(found) === JSON.stringify(expected)
    ? ''
    : `${JSON.stringify(chunks)}: ${JSON.stringify(found)} is not ${JSON.stringify(expected)}`
}

for (const transcript of TRANSCRIPTS) {
  t.test(`${transcript.name}, cut at every byte`, async (t) => {
    const text = transcript.client
    t.equal(play(transcript, [text]), '')
    t.equal(
      play(
        transcript,
        Array.from(Buffer.from(text, 'latin1'), (byte) => String.fromCharCode(byte)),
      ),
      '',
    )
    const failed = Array.from({ length: text.length }, (_, at) => at)
      .map((at) => play(transcript, [text.slice(0, at), text.slice(at)]))
      .filter((found) => found !== '')
    t.same(failed, [])
  })
}

t.test('a line without an end is dropped at Dovecot’s bound, whatever it is cut into', async (t) => {
  for (const size of [1000, 16_384, 65_536]) {
    const rig = new Rig()
    rig.send(hello())
    const megabyte = 'x'.repeat(1_000_000)
    for (let at = 0; at < megabyte.length; at += size) rig.send(megabyte.slice(at, at + size))
    t.equal(rig.closed, 'line too long')
    t.equal(rig.output, '')
  }
})

t.test('login is asked with everything the mail server said', async (t) => {
  const rig = new Rig()
  rig.nowMs = 5000
  rig.send(
    hello() +
      auth(7, 'plain', plainMessage('Joe@Example.ORG', 'pa\xff\ts'), [
        'service=submission',
        'secured=tls',
        'session=ab\tc',
        'rip=2001:db8::1',
        'lip=192.0.2.1',
        'lport=587',
        'no-penalty',
      ]),
  )
  t.match(rig.requests, [
    {
      door: 'sasl',
      mechanism: 'PLAIN',
      service: 'smtp',
      username: 'Joe@Example.ORG',
      remoteIp: '2001:db8::1',
      localIp: '192.0.2.1',
      tls: true,
      sessionId: 'ab\tc',
      receivedAtMs: 5000,
    },
  ])
  t.same(rig.passwords, ['pa\xff\ts'])
  const request = rig.requests[0]
  const withinMs = (request?.deadlineMs ?? 0) - 5000
  t.ok(withinMs > 7000 && withinMs < 8000, 'login ends before the door gives up, the door within 8 s')
})

t.test('what a mechanism refuses is recorded with its reason and without a secret', async (t) => {
  const rig = new Rig()
  rig.send(hello() + auth(1, 'PLAIN', plainMessage('joe@example.org', 'secret', 'boss@example.org')))
  rig.send(auth(2, 'PLAIN', base64('nonsense')))
  t.match(rig.refusals, [
    {
      request: { username: 'joe@example.org' },
      outcome: { verdict: 'password_mismatch', why: 'authzid_differs' },
    },
    { request: { username: '' }, outcome: { verdict: 'user_unknown', why: 'address_invalid' } },
  ])
  t.equal(rig.refusals[0]?.request.secret.byteLength, 0)
})

t.test('failures leave failure_delay_ms after their request came, successes at once', async (t) => {
  const rig = new Rig({ failureDelayMs: 2000 })
  t.equal(
    rig.send(hello() + plainLogin(1, 'joe@example.org', 'wrong') + auth(2, 'PLAIN', good)),
    'OK\t2\tuser=joe@example.org\n',
  )
  t.equal(rig.advance(1900), '')
  t.equal(rig.send(plainLogin(3, 'nobody@example.org', 'x')), '')
  t.equal(rig.advance(200), 'FAIL\t1\tuser=joe@example.org\n')
  t.equal(rig.advance(1700), '')
  t.equal(rig.advance(200), 'FAIL\t3\tuser=nobody@example.org\n')
  t.ok(rig.timetable.isEmpty)
})

t.test(
  'the delay counts from the last piece of the credentials, and login’s own time is part of it',
  async (t) => {
    const rig = new Rig({ failureDelayMs: 2000, login: () => 'later' })
    rig.send(hello() + auth(1, 'PLAIN'))
    rig.advance(60_000)
    rig.send(cont(1, plainMessage('joe@example.org', 'wrong')))
    rig.advance(1500)
    t.equal(rig.answer(0, outcomeOf('hash_differs')), '')
    t.equal(rig.advance(600), 'FAIL\t1\tuser=joe@example.org\n')

    rig.send(plainLogin(2, 'joe@example.org', 'wrong'))
    rig.advance(2500)
    t.equal(
      rig.answer(1, outcomeOf('hash_differs')),
      'FAIL\t2\tuser=joe@example.org\n',
      'late: no more delay',
    )
  },
)

t.test('malformed credentials are delayed like wrong ones', async (t) => {
  const rig = new Rig({ failureDelayMs: 2000 })
  t.equal(rig.send(hello() + auth(1, 'PLAIN', base64('nonsense'))), '')
  t.equal(rig.advance(2200), 'FAIL\t1\n')
})

t.test('an answer or the close leaves within 8 s, whatever login does', async (t) => {
  const replying = new Rig({ login: () => 'later' })
  replying.send(hello() + plainLogin(1, 'joe@example.org', 'x'))
  t.equal(replying.advance(7500), '')
  t.equal(replying.advance(499), 'FAIL\t1\tuser=joe@example.org\tcode=temp_fail\n')
  t.equal(replying.answer(0, outcomeOf('verified')), '', 'too late')

  const closing = new Rig({ login: () => 'later', tempFail: 'close' })
  closing.send(hello() + plainLogin(1, 'joe@example.org', 'x'))
  closing.advance(7999)
  t.equal(closing.closed, '')
  t.equal(closing.output, '')

  const slow = new Rig({ login: () => 'later', failureDelayMs: 7000 })
  slow.send(hello() + plainLogin(1, 'joe@example.org', 'x'))
  slow.advance(6900)
  slow.answer(0, outcomeOf('hash_differs'))
  t.equal(slow.advance(1000), 'FAIL\t1\tuser=joe@example.org\n')
})

t.test('throttled and temp_fail: told by code, or by closing', async (t) => {
  for (const why of ['directory_down', 'busy'] as const) {
    const login = (): ReturnType<typeof joe> => outcomeOf(why)
    const replying = new Rig({ login, failureDelayMs: 2000 })
    t.equal(
      replying.send(hello() + plainLogin(1, 'joe@example.org', 'x')),
      'FAIL\t1\tuser=joe@example.org\tcode=temp_fail\n',
      'at once: nothing was guessed',
    )
    t.equal(replying.closed, undefined)

    const closing = new Rig({
      login: (request) => (request.username === 'joe@example.org' ? joe(request) : outcomeOf(why)),
      tempFail: 'close',
    })
    closing.send(
      hello() +
        auth(1, 'PLAIN', good) +
        plainLogin(2, 'ann@example.org', 'x') +
        plainLogin(3, 'joe@example.org', 'secret'),
    )
    t.equal(closing.output, OK1, 'what was answered before is still sent, nothing after')
    t.equal(closing.closed, '')
    t.ok(closing.timetable.isEmpty)
  }
})

t.test('an exchange that the client does not finish is forgotten after 150 s', async (t) => {
  const rig = new Rig()
  rig.send(hello() + auth(1, 'LOGIN') + auth(2, 'PLAIN'))
  rig.advance(100_000)
  t.equal(rig.send(cont(1, base64('joe@example.org'))), 'CONT\t1\tUGFzc3dvcmQ6\n')
  t.equal(rig.advance(50_200), '', 'from its AUTH on, steps do not prolong it')
  t.ok(rig.timetable.isEmpty)
  const late = 'reason=Authentication request timed out'
  t.equal(rig.send(cont(1, base64('secret')) + cont(2, good)), `FAIL\t1\t${late}\nFAIL\t2\t${late}\n`)
  t.equal(rig.send(auth(1, 'PLAIN', good)), OK1)
})

t.test('a CONT that nobody asked for ends the request; its outcome is dropped', async (t) => {
  const rig = new Rig({ login: () => 'later', failureDelayMs: 2000 })
  t.equal(
    rig.send(hello() + auth(1, 'PLAIN', good) + cont(1, good)),
    'FAIL\t1\treason=Unexpected continuation\n',
  )
  t.equal(rig.send(auth(1, 'PLAIN', good)), '', 'the id is free')
  t.equal(rig.answer(0, outcomeOf('verified')), '', 'not taken for the second request of that id')
  t.equal(rig.answer(1, outcomeOf('hash_differs')), '')
  t.equal(rig.send(cont(1, good)), 'FAIL\t1\treason=Unexpected continuation\n')
  t.equal(rig.advance(10_000), '')
})

t.test('CANCEL forgets a request while it is verified and while its failure waits', async (t) => {
  const rig = new Rig({ login: () => 'later', failureDelayMs: 2000 })
  rig.send(hello() + plainLogin(1, 'joe@example.org', 'x') + plainLogin(2, 'joe@example.org', 'x'))
  rig.answer(1, outcomeOf('hash_differs'))
  rig.send('CANCEL\t1\nCANCEL\t2\n')
  t.equal(rig.answer(0, outcomeOf('verified')), '')
  t.equal(rig.advance(10_000), '')
  t.ok(rig.timetable.isEmpty)
})

t.test('requests beyond max_pending are answered as not found out', async (t) => {
  const rig = new Rig({ maxPending: 2 })
  rig.send(hello() + auth(1, 'LOGIN') + auth(2, 'LOGIN'))
  t.equal(rig.send(auth(3, 'LOGIN')), 'FAIL\t3\tcode=temp_fail\n')
  t.equal(rig.send(`CANCEL\t1\n${auth(3, 'PLAIN', good)}`), 'OK\t3\tuser=joe@example.org\n')

  const closing = new Rig({ maxPending: 1, tempFail: 'close' })
  closing.send(hello() + auth(1, 'LOGIN') + auth(2, 'LOGIN'))
  t.equal(closing.closed, '')
})

t.test('draining ends with the last answer that is owed', async (t) => {
  const idle = new Rig()
  idle.send(hello() + auth(1, 'LOGIN'))
  idle.session.drain()
  t.equal(idle.closed, '', 'an exchange that waits for the client is not waited for')

  const busy = new Rig({ login: () => 'later', failureDelayMs: 2000 })
  busy.send(hello() + plainLogin(1, 'joe@example.org', 'x') + plainLogin(2, 'joe@example.org', 'y'))
  busy.session.drain()
  busy.answer(0, outcomeOf('verified'))
  t.equal(busy.closed, undefined)
  busy.answer(1, outcomeOf('hash_differs'))
  t.equal(busy.advance(2100), 'FAIL\t2\tuser=joe@example.org\n')
  t.equal(busy.closed, '')
})

t.test('when the connection is gone nothing is left in the timetable', async (t) => {
  const rig = new Rig({ login: () => 'later', failureDelayMs: 2000 })
  rig.send(hello() + plainLogin(1, 'joe@example.org', 'x') + auth(2, 'LOGIN') + 'AUTH\t3')
  rig.session.end()
  t.ok(rig.timetable.isEmpty)
  t.equal(rig.answer(0, outcomeOf('verified')), '')
  t.equal(rig.send(auth(4, 'PLAIN', good)), '')
})

/**
 * What a client may see: every final line answers one AUTH of its id, or is Dovecot's answer to a CONT for an id
 * that is not there. `owed` counts what may still come.
 */
function surplusFinals(client: string, server: string): string[] {
  const owed = new Map<number, number>()
  for (const line of client.split('\n')) {
    const [command, id] = line.split('\t')
    if (command === 'AUTH' || command === 'CONT') owed.set(Number(id), (owed.get(Number(id)) ?? 0) + 1)
  }
  const surplus: string[] = []
  for (const line of server.split('\n').slice(0, -1)) {
    const parsed = parseServerLine(line)
    if (parsed === undefined) surplus.push(line)
    else {
      const left = (owed.get(parsed.id) ?? 0) - 1
      owed.set(parsed.id, left)
      if (left < 0) surplus.push(line)
    }
  }
  return surplus
}

t.test('one final line for each AUTH, whatever the order of commands, answers and time', async () => {
  const id = fc.integer({ min: 1, max: 4 })
  const action = fc.oneof(
    id.map((id) => ({ send: auth(id, 'PLAIN', good) })),
    id.map((id) => ({ send: auth(id, 'LOGIN') })),
    id.map((id) => ({ send: cont(id, base64('joe@example.org')) })),
    id.map((id) => ({ send: `CANCEL\t${id}\n` })),
    fc.nat(10).map((answer) => ({ answer })),
    fc.integer({ min: 1, max: 9000 }).map((advance) => ({ advance })),
  )
  const whys = ['verified', 'hash_differs', 'directory_down'] as const
  fc.assert(
    fc.property(
      fc.array(action, { maxLength: 60 }),
      fc.constantFrom('close', 'reply'),
      (actions, tempFail) => {
        const rig = new Rig({ login: () => 'later', failureDelayMs: 2000, tempFail })
        rig.send(hello())
        let sent = ''
        for (const action of actions) {
          if ('send' in action) {
            // An id twice at a time would only end the run.
            rig.send(action.send)
            sent += action.send
          } else if ('advance' in action) rig.advance(action.advance)
          else if (action.answer < rig.requests.length) {
            rig.answer(action.answer, outcomeOf(whys[action.answer % 3] ?? 'verified'))
          }
        }
        rig.advance(200_000)
        return surplusFinals(sent, rig.output).length === 0 && rig.timetable.isEmpty
      },
    ),
    { numRuns: 300 },
  )
})

t.test('no bytes make a session throw', async () => {
  const tokens = fc.constantFrom(
    'AUTH',
    'CONT',
    'CANCEL',
    '\t',
    '\n',
    '1',
    'PLAIN',
    'LOGIN',
    'service=',
    'resp=',
  )
  const input = fc.array(fc.oneof(tokens, fc.string({ unit: 'binary', maxLength: 8 })), { maxLength: 60 })
  fc.assert(
    fc.property(input, fc.boolean(), (parts, greeted) => {
      const rig = new Rig()
      if (greeted) rig.send(hello())
      for (const part of parts) rig.send(part)
    }),
  )
})
