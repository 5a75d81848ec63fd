/** What mail servers call a service, and that docs/services.md says the same. */
import t from 'tap'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { FLAGGED_SERVICES, isFlagged, parseService, SERVICES } from '../../src/login/service.ts'

/** Written from what the programs send, not from the source. */
const SAID: readonly (readonly [by: string, word: string, service: string])[] = [
  ['Dovecot, IMAP', 'imap', 'imap'],
  ['Dovecot, POP3', 'pop3', 'pop3'],
  ['Dovecot, ManageSieve', 'sieve', 'sieve'],
  ['Dovecot, its submission service', 'submission', 'smtp'],
  ['Dovecot, LMTP', 'lmtp', 'other'],
  ['doveadm auth test', 'doveadm', 'other'],
  ['Dovecot, quota-status', 'quota-status', 'other'],
  ['Postfix', 'smtp', 'smtp'],
  ['Postfix, as shipped', 'submissions', 'smtp'],
  ['Postfix, by hand', 'smtps', 'smtp'],
  ['Exim, chasquid', 'smtp', 'smtp'],
  ['Radicale', 'radicale', 'dav'],
  ['mailcow, SOGo’s doors', 'EAS', 'eas'],
  ['mailcow, SOGo’s doors', 'DAV', 'dav'],
  ['mailcow, SOGo’s doors', 'NONE', 'none'],
  ['IANA', 'imaps', 'imap'],
  ['IANA', 'pop3s', 'pop3'],
  ['IANA, SASL', 'pop', 'pop3'],
  ['its name', 'managesieve', 'sieve'],
  ['its name', 'ActiveSync', 'eas'],
  ['its name', 'CalDAV', 'dav'],
  ['its name', 'carddav', 'dav'],
  ['its name', 'WebDAV', 'dav'],
  ['nobody', '', 'other'],
  ['nobody', ' imap', 'other'],
  ['nobody', 'imap\0', 'other'],
  ['nobody', 'ſmtp', 'other'],
  ['nobody', 'sogo', 'other'],
  ['nobody', 'SOGO', 'other'],
  ['nobody', 'other', 'other'],
  ['nobody', '__proto__', 'other'],
]

t.test('words and what they stand for, in any case', async (t) => {
  for (const [by, word, service] of SAID) {
    t.equal(parseService(word), service, `${by}: ${word}`)
    t.equal(parseService(word.toUpperCase()), word === 'ſmtp' ? 'smtp' : service, `${by}: upper case`)
  }
})

t.test('what comes from SOGo is no word that anybody can say', async (t) => {
  t.notOk(SAID.some(([, word]) => parseService(word) === 'sogo'))
})

t.test('six services have flags', async (t) => {
  t.same(
    SERVICES.filter((service) => isFlagged(service)),
    FLAGGED_SERVICES,
  )
})

t.test('docs/services.md names them all', async (t) => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/services.md'), 'utf8')
  const rows = [...page.matchAll(/^\| `(\w+)` \| ([^|]+) \| `(\w+)_access` \|$/gm)]
  t.same(
    rows.map(([, service]) => service),
    FLAGGED_SERVICES,
  )
  const named = new Set<string>()
  for (const [, service = '', words = '', flag] of rows) {
    t.equal(flag, service)
    for (const word of words.split(', ')) {
      t.equal(parseService(word), service, word)
      named.add(word)
    }
  }
  const source = readFileSync(join(import.meta.dirname, '../../src/login/service.ts'), 'utf8')
  const table = source.slice(source.indexOf('const WORDS'), source.indexOf('const NAMES'))
  for (const [, word = ''] of table.matchAll(/'([a-z0-9-]+)'/g))
    if (word !== 'none') t.ok(named.has(word), `${word} is documented`)
})
