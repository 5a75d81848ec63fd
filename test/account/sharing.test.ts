import t from 'tap'
import { Sharing } from '../../src/account/sharing.ts'
import { newcomer, resident } from '../fakes/accounts.ts'

const JANE = 'jane@example.org'

t.test('what two accounts have in common is kept once, and what each has stays its own', (t) => {
  const sharing = new Sharing()
  const jane = sharing.ofAccount(structuredClone(resident), JANE)
  const own = structuredClone(resident)
  const joe = sharing.ofAccount(
    own.mailbox === undefined ? own : { ...own, mailbox: { ...own.mailbox, username: 'joe@example.org' } },
    'joe@example.org',
  )
  t.equal(joe.domain, jane.domain)
  t.equal(joe.mailbox?.services, jane.mailbox?.services)
  t.equal(joe.mailbox?.missing, jane.mailbox?.missing)
  t.equal(joe.appPasswords, jane.appPasswords)
  t.equal(joe.mailbox?.username, 'joe@example.org')
  t.same(jane, resident)
  t.end()
})

t.test('what differs is not shared', (t) => {
  const sharing = new Sharing()
  const jane = sharing.ofAccount(resident, JANE)
  const { domain, mailbox } = resident
  const changed = sharing.ofAccount(
    {
      ...resident,
      ...(domain === undefined ? {} : { domain: { ...domain, active: false } }),
      ...(mailbox === undefined ? {} : { mailbox: { ...mailbox, services: { imap: false } } }),
    },
    JANE,
  )
  t.equal(jane.domain?.active, true)
  t.equal(changed.domain?.active, false)
  t.same(changed.mailbox?.services, { imap: false })
  t.same(sharing.ofAccount(structuredClone(newcomer), JANE), newcomer)
  t.end()
})

t.test('more values than are kept are still told apart', (t) => {
  const sharing = new Sharing()
  const { domain } = resident
  for (let at = 0; at < 2500; at += 1) {
    const name = `d${at % 1500}.example.org`
    const account = domain === undefined ? resident : { ...resident, domain: { ...domain, name } }
    if (sharing.ofAccount(account, `jane@${name}`).domain?.name !== name) t.fail(name)
  }
  t.pass('all 2,500')
  t.end()
})
