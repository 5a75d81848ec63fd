/** Netstrings and the session of a socketmap connection, without a socket. */
import fc from 'fast-check'
import t from 'tap'
import { formatNetstring, MAX_REQUEST_BYTES, NetstringReader } from '../../../src/door/socketmap/netstring.ts'
import {
  formatMapReply,
  MAX_REPLY_BYTES,
  parseMapRequest,
  replyOf,
} from '../../../src/door/socketmap/reply.ts'
import { MapRig, netstring, parseNetstrings } from './rig.ts'

const ask = (key: string, map = 'map') => netstring(`${map} ${key}`)

t.test('a netstring cut at every byte is the same netstring', async (t) => {
  const text = ask('jane@example.org') + netstring('') + ask('', 'm') + ask('x'.repeat(300))
  for (let cut = 0; cut <= text.length; cut += 1) {
    const read: string[] = []
    const reader = new NetstringReader((bytes, start, end) => {
      read.push(bytes.toString('latin1', start, end))
      return true
    })
    for (const part of [text.slice(0, cut), text.slice(cut)]) {
      t.equal(reader.push(Buffer.from(part, 'latin1')), part.length)
    }
    t.same(read, parseNetstrings(text), `cut at ${cut}`)
  }
})

t.test('any contents, cut anywhere, come out as they went in', async () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 97 }), { minLength: 1, maxLength: 20 }),
      (contents, sizes) => {
        const texts = contents.map((bytes) => Buffer.from(bytes).toString('latin1'))
        const all = Buffer.from(texts.map(netstring).join(''), 'latin1')
        const read: string[] = []
        const reader = new NetstringReader((bytes, start, end) => {
          read.push(bytes.toString('latin1', start, end))
          return true
        })
        for (let at = 0, turn = 0; at < all.length; turn += 1) {
          const end = Math.min(all.length, at + (sizes[turn % sizes.length] ?? 1))
          if (reader.push(all.subarray(at, end)) !== end - at) return false
          at = end
        }
        return JSON.stringify(read) === JSON.stringify(texts)
      },
    ),
  )
})

t.test('reading stops where it is told to, and goes on there', async (t) => {
  const chunk = Buffer.from(netstring('one') + netstring('two') + netstring('three'))
  const read: string[] = []
  const reader = new NetstringReader((bytes, start, end) => {
    read.push(bytes.toString('latin1', start, end))
    return false
  })
  let at = 0
  for (let turn = 1; at < chunk.length; turn += 1) {
    at = reader.push(chunk, at)
    t.equal(read.length, turn)
  }
  t.same(read, ['one', 'two', 'three'])
})

t.test('what is no netstring, or too long, is refused', async (t) => {
  const bad = [
    ':',
    'x',
    '-1:x,',
    '01:x,',
    '00:,',
    '1:xy',
    '3:abc;',
    ' 1:x,',
    '1 :x,',
    '10001:',
    '99999:',
    '100000:',
    '0:x',
    '1:x\n',
    '\u00001:x,',
  ]
  for (const text of bad) {
    for (const size of [1, text.length]) {
      const reader = new NetstringReader(() => true)
      let at = 0
      while (at < text.length && reader.push(Buffer.from(text.slice(at, at + size), 'latin1')) !== -1)
        at += size
      t.ok(at < text.length, `${JSON.stringify(text)} in pieces of ${size}`)
    }
  }
  const longest = netstring('x'.repeat(MAX_REQUEST_BYTES))
  t.equal(new NetstringReader(() => true).push(Buffer.from(longest)), longest.length)
})

t.test('requests and replies', async (t) => {
  const parse = (text: string) => {
    const bytes = Buffer.from(`<${text}>`, 'latin1')
    return parseMapRequest(bytes, 1, bytes.length - 1)
  }
  t.same(parse('map key'), { map: 'map', key: 'key' })
  t.same(parse('map two words'), { map: 'map', key: 'two words' }, 'cut at the first space')
  t.same(parse('map '), { map: 'map', key: '' })
  t.same(parse(' key'), { map: '', key: 'key' })
  t.equal(parse('map'), undefined)
  t.equal(parse(''), undefined)
  t.same(parse('map \xff@example.org'), { map: 'map', key: '' }, 'not UTF-8')
  t.same(parse('map \xef\xbb\xbfx'), { map: 'map', key: '\ufeffx' }, 'nothing is left out')
  t.equal(formatNetstring('ü'), '2:ü,')
  t.equal(formatMapReply('NOTFOUND', '').bytes, '9:NOTFOUND ,')
  t.equal(replyOf({ kind: 'absent' }).bytes, '9:NOTFOUND ,')
  t.equal(replyOf({ kind: 'found', value: 'a@example.org' }).bytes, '16:OK a@example.org,')
  t.equal(replyOf({ kind: 'temp_fail', why: 'store_down' }).bytes, '15:TEMP store_down,')
  const most = replyOf({ kind: 'found', value: 'x'.repeat(MAX_REPLY_BYTES - 3) })
  t.equal(most.status, 'OK')
  t.equal(most.bytes.length, MAX_REPLY_BYTES + '100000:,'.length)
  t.equal(replyOf({ kind: 'found', value: 'ü'.repeat(MAX_REPLY_BYTES / 2) }).status, 'TEMP')
})

t.test('pipelined requests are answered in their order', async (t) => {
  const rig = new MapRig()
  rig.send(ask('later1') + ask('two') + ask('later3') + ask('absent') + ask('down'))
  t.equal(rig.output, '', 'the second waits for the first')
  rig.answer(2, { kind: 'found', value: 'three' })
  t.equal(rig.output, '')
  rig.answer(0, { kind: 'absent' })
  t.same(rig.replies(), ['NOTFOUND ', 'OK two', 'OK three', 'NOTFOUND ', 'TEMP store_down'])
  t.same(rig.statuses, ['OK', 'NOTFOUND', 'TEMP', 'OK', 'NOTFOUND'])
  t.ok(rig.timetable.isEmpty)
})

t.test('what is not answered in time is not known; a late answer changes nothing', async (t) => {
  const rig = new MapRig()
  rig.send(ask('later'))
  rig.advance(7700)
  t.equal(rig.output, '')
  rig.advance(300)
  t.same(rig.replies(), ['TEMP deadline'])
  rig.answer(0, { kind: 'found', value: 'late' })
  rig.send(ask('next'))
  t.same(rig.replies(), ['TEMP deadline', 'OK next'])
})

t.test('a full session takes nothing more until something is answered', async (t) => {
  const rig = new MapRig({ maxPending: 2 })
  const text = ask('later1') + ask('later2') + ask('later3') + ask('four')
  let at = rig.send(text)
  t.equal(at, text.indexOf(ask('later3')))
  t.equal(rig.send(text.slice(at)), 0)
  rig.answer(1, { kind: 'absent' })
  t.equal(rig.readOns, 0, 'the first is still owed')
  rig.answer(0, { kind: 'absent' })
  t.equal(rig.readOns, 1)
  at += rig.send(text.slice(at))
  t.equal(at, text.length)
  rig.answer(2, { kind: 'absent' })
  t.same(rig.replies(), ['NOTFOUND ', 'NOTFOUND ', 'NOTFOUND ', 'OK four'])
})

t.test('a map that there is not, and a request that is none, do not end the connection', async (t) => {
  const rig = new MapRig()
  rig.send(ask('x', 'other') + netstring('nothing') + netstring('') + ask('good'))
  const [unknown = '', ...others] = rig.replies()
  t.match(unknown, /^PERM no such map/)
  for (const reply of others.slice(0, 2)) t.match(reply, /^PERM a request is/)
  t.equal(others[2], 'OK good')
  t.same(rig.statuses, ['PERM', 'PERM', 'PERM', 'OK'])
})

t.test('what is no netstring ends the connection, after what was answered', async (t) => {
  const rig = new MapRig()
  rig.send(`${ask('good')}${ask('later')}nonsense`)
  t.same(rig.replies(), ['OK good'])
  t.match(rig.closed, /not a netstring/)
  rig.answer(1, { kind: 'absent' })
  rig.advance(10_000)
  t.same(rig.replies(), ['OK good'])
  t.ok(rig.timetable.isEmpty)
})

t.test('draining: at once where nothing is owed, else after the last reply', async (t) => {
  const idle = new MapRig()
  idle.session.drain()
  t.equal(idle.closed, '')
  const busy = new MapRig()
  busy.send(ask('later'))
  busy.session.drain()
  t.equal(busy.closed, undefined)
  busy.answer(0, { kind: 'found', value: 'x' })
  t.same(busy.replies(), ['OK x'])
  t.equal(busy.closed, '')
})

t.test('a connection that is gone leaves nothing behind', async (t) => {
  const rig = new MapRig()
  rig.send(ask('later'))
  rig.session.end()
  t.ok(rig.timetable.isEmpty)
  rig.answer(0, { kind: 'absent' })
  t.equal(rig.output, '')
})
