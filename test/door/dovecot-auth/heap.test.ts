/** After logins no password, and no base64 of one, is on the heap of the process that took them. */
import { randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { auth, base64, cont, hello, plainMessage } from './client.ts'
import { startListener } from './listener-child.ts'
import { SocketClient } from './socket-client.ts'

t.test('a heap snapshot after 200 logins has their names and none of their passwords', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'heap-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const listener = await startListener()
  t.teardown(() => listener.stop())

  const logins = Array.from({ length: 200 }, (_, index) => ({
    id: index + 1,
    name: `user-number-${index}@example.org`,
    password: `password-${randomUUID()}`,
  }))
  const client = await SocketClient.open(listener.address)
  client.send(hello())
  for (const { id, name, password } of logins) {
    const service = ['service=smtp', `session=session-of-${name}`]
    const text =
      id % 2 === 0
        ? auth(id, 'PLAIN', plainMessage(name, password), service)
        : auth(id, 'LOGIN', base64(name), service) + cont(id, base64(password))
    // Every other one in two pieces, the cut in the middle of the password.
    const cut = id % 4 < 2 ? text.length - 20 : text.length
    client.send(text.slice(0, cut))
    if (id % 20 === 0) await new Promise((resolve) => setImmediate(resolve))
    client.send(text.slice(cut))
  }
  // Refused by parser and mechanism, and never finished.
  client.send(auth(1001, 'PLAIN', base64(`no-nul-${logins[0]?.password}`)))
  client.send(auth(1002, 'PLAIN', plainMessage('joe', logins[1]?.password ?? '', 'boss')))
  client.send(`${auth(1003, 'PLAIN', `${base64(logins[2]?.password ?? '')}!`)}CONT\t1004\t`)
  for (const { id } of logins) await client.seen(`\t${id}\t`)
  await client.seen('FAIL\t1003')

  const path = join(dir, 'snapshot')
  await listener.snapshot(path)
  const heap = await readFile(path, 'latin1')
  t.equal(logins.filter(({ name }) => heap.includes(name)).length, 200, 'the snapshot shows what is kept')
  t.equal(logins.filter(({ name }) => heap.includes(`session-of-${name}`)).length, 200)
  const found = logins.filter(
    ({ name, password }) =>
      heap.includes(password) ||
      heap.includes(base64(password).slice(0, -4)) ||
      heap.includes(plainMessage(name, password).slice(-40, -4)),
  )
  t.same(found, [])
  client.destroy()
})
