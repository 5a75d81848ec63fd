/** Reading a password: from a terminal without echo, typed twice, or the first line of stdin. */
import { PassThrough, Readable } from 'node:stream'
import t from 'tap'
import { readPassword } from '../../src/cli/read-password.ts'
import type { Io } from '../../src/cli/command.ts'

/** A terminal at which somebody types; it tells whether it would echo. */
class Terminal extends PassThrough {
  isRaw = false
  setRawMode(isRaw: boolean): this {
    this.isRaw = isRaw
    return this
  }
}

function ioOf(stdin: Readable, isInteractive: boolean): Io & { shown: string[] } {
  const shown: string[] = []
  return {
    stdin,
    isInteractive,
    env: {},
    out: (text) => shown.push(text),
    err: (text) => shown.push(text),
    shown,
  }
}

async function fromStdin(...chunks: (string | Buffer)[]): Promise<string> {
  const stdin = Readable.from(chunks.map((chunk) => Buffer.from(chunk)))
  return (await readPassword(ioOf(stdin, false), 'Password: ')).reveal().toString('latin1')
}

async function typed(keys: string): Promise<string> {
  const terminal = new Terminal()
  terminal.write(keys)
  return (await readPassword(ioOf(terminal, true), 'Password: ')).reveal().toString('utf8')
}

t.test('stdin: the first line as bytes, however it is cut, without its end', async (t) => {
  t.equal(await fromStdin('secret\n'), 'secret')
  t.equal(await fromStdin('secret\r\nsecond line\n'), 'secret')
  t.equal(await fromStdin('sec', 'ret', '\nmore'), 'secret')
  t.equal(await fromStdin('secret\r', '\n'), 'secret')
  t.equal(await fromStdin('no line end \r'), 'no line end \r')
  t.equal(await fromStdin(Buffer.from([0xff, 0x00, 0xe4, 0x0a])), '\xff\0\xe4')
  t.equal(await fromStdin('\n'), '')
  t.equal(await fromStdin(), '')
  await t.rejects(fromStdin('x'.repeat(20_000)), { code: 'input_invalid' })
  await t.rejects(fromStdin(...Array.from({ length: 100 }, () => 'x'.repeat(1000))), {
    code: 'input_invalid',
  })
})

t.test('terminal: nothing that is typed is shown; keys that correct do', async (t) => {
  t.equal(await typed('secret\r'), 'secret')
  t.equal(await typed('sex\x7fcret\n'), 'secret')
  t.equal(await typed('wrong\x15pä€\x7f\x08äss\r'), 'päss', 'a character, not a byte')
  t.equal(await typed('\x7f\x7fa\r'), 'a')
  t.equal(await typed('\r'), '')
  for (const keys of ['secret\x03', '\x04']) await t.rejects(typed(keys), { code: 'input_invalid' })
  await t.rejects(typed('x'.repeat(20_000)), { code: 'input_invalid' })
})

t.test('terminal: typed twice, shown never, echo back on', async (t) => {
  const terminal = new Terminal()
  const io = ioOf(terminal, true)
  terminal.write('secret\rsecret\r')
  t.equal((await readPassword(io, 'Password: ', 'Once more: ')).reveal().toString(), 'secret')
  t.equal(io.shown.join(''), 'Password: \nOnce more: \n')
  t.equal(terminal.isRaw, false)

  const other = new Terminal()
  const differing = readPassword(ioOf(other, true), 'Password: ', 'Once more: ')
  other.write('secret\r')
  other.write('Secret\r')
  await t.rejects(differing, { code: 'input_invalid', message: 'the two passwords differ' })
  t.equal(other.isRaw, false)

  const gone = new Terminal()
  const ended = readPassword(ioOf(gone, true), 'Password: ')
  gone.end('sec')
  await t.rejects(ended, { code: 'input_invalid' })
})
