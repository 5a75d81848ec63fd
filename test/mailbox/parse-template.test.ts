/** Rows of mailcow's `templates`, as several generations of PHP wrote them. */
import t from 'tap'
import { parseTemplate } from '../../src/mailbox/parse-template.ts'
import { DEFAULT_TEMPLATE } from '../servers/mailcow-schema.ts'

function parsed(attributes: object | string) {
  const raw = typeof attributes === 'string' ? attributes : JSON.stringify(attributes)
  const result = parseTemplate('T', raw)
  if (result.kind === 'unreadable') throw new Error(result.reason)
  return result.template
}

t.test('the Default template', async (t) => {
  const template = parsed(DEFAULT_TEMPLATE)
  t.match(template, { name: 'T', raw: DEFAULT_TEMPLATE, quotaBytes: 0, active: 1, tags: [] })
  t.same(template.services, { imap: true, pop3: true, smtp: true, sieve: true, eas: true, dav: true })
  const off = Object.entries(template.acl).filter(([, isOn]) => !isOn)
  t.same(
    off.map(([column]) => column),
    ['syncjobs', 'sogo_profile_reset', 'pw_reset'],
    'pw_reset is not named there',
  )
  t.same(template.attributes, {
    force_pw_update: '0',
    force_tfa: '0',
    tls_enforce_in: '0',
    tls_enforce_out: '0',
    sogo_access: '1',
    relayhost: '0',
    quarantine_notification: 'hourly',
    quarantine_category: 'reject',
    mailbox_format: 'maildir:',
  })
})

t.test('older rows, strings, flags', async (t) => {
  const template = parsed({
    quota: '1073741824',
    active: '2',
    imap_access: '0',
    pop3_access: 0,
    smtp_access: false,
    sieve_access: '',
    tls_enforce_in: 1,
    quarantine_category: 'sometimes',
    relayhost: 3,
    acl_syncjobs: '1',
    tags: ['blue', ' ', 'blue', 7, 'x'.repeat(256), ...Array.from({ length: 40 }, (_, index) => `t${index}`)],
  })
  t.equal(template.quotaBytes, 1_073_741_824)
  t.equal(template.active, 2)
  t.same(template.services, { imap: false, pop3: false, smtp: false, sieve: false, eas: true, dav: true })
  t.match(template.attributes, { tls_enforce_in: '1', quarantine_category: 'reject', relayhost: '3' })
  t.same(
    Object.entries(template.acl).filter(([, isOn]) => isOn),
    [['syncjobs', true]],
    'a row that names a right has only those',
  )
  t.same(
    template.tags,
    ['blue', '7', ...Array.from({ length: 21 }, (_, index) => `t${index}`)],
    'the first 26 of the list are looked at',
  )
  t.same(parsed({ tags: { 0: 'a', 2: 'b' } }).tags, ['a', 'b'], "PHP's list with a hole in it")
  t.equal(parsed({ quota: null, active: null, imap_access: null }).services.imap, true, 'null is absent')
  t.equal(parsed({}).acl.spam_alias, true, "a row that names none has the columns' defaults")
})

t.test('quotas are whole MiB, as mailcow counts, and none becomes unlimited by it', async (t) => {
  const mib = 1024 * 1024
  t.equal(parsed({ quota: 0 }).quotaBytes, 0)
  t.equal(parsed({ quota: 1 }).quotaBytes, mib)
  t.equal(parsed({ quota: mib }).quotaBytes, mib)
  t.equal(parsed({ quota: 2 * mib - 1 }).quotaBytes, mib)
})

t.test('rate limits', async (t) => {
  const limit = (value: unknown, frame?: unknown) => parsed({ rl_value: value, rl_frame: frame }).rateLimit
  t.same(limit('10', 'h'), { messages: 10, frame: 'h' })
  t.same(limit(3), { messages: 3, frame: 's' }, 'a row without a frame')
  for (const none of ['', 0, '0', undefined]) t.equal(limit(none, 'x'), undefined)
})

t.test('flags are on unless empty or zero; what is nonsense elsewhere is as if it were absent', async (t) => {
  const { attributes } = parsed({
    sogo_access: '',
    force_tfa: 2,
    tls_enforce_out: true,
    relayhost: '1; drop',
    quarantine_notification: 'always',
    mailbox_format: '/etc/',
  })
  t.match(attributes, {
    sogo_access: '0',
    force_tfa: '1',
    tls_enforce_out: '1',
    relayhost: '0',
    quarantine_notification: 'hourly',
    mailbox_format: 'maildir:',
  })
})

t.test('what cannot be read is said', async (t) => {
  for (const raw of [
    null,
    '',
    '{',
    '[]',
    '"x"',
    'null',
    '{"quota":-1}',
    '{"quota":"much"}',
    '{"active":3}',
    '{"rl_value":"many"}',
    '{"rl_value":10,"rl_frame":"w"}',
    '{"rl_value":-1,"rl_frame":"h"}',
    '{"quota":[]}',
    '{"quota":{"0":1048576}}',
    '{"quota":" "}',
    '{"active":[0]}',
    '{"imap_access":[]}',
    '{"acl_syncjobs":{}}',
    '{"force_tfa":[1]}',
    '{"rl_value":[10],"rl_frame":"h"}',
    '{"rl_value":10,"rl_frame":["h"]}',
  ]) {
    const result = parseTemplate('T', raw)
    t.equal(result.kind, 'unreadable', String(raw))
  }
})
