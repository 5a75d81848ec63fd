/** What facts are worth: the cases that no server of the tests can show, and that what strangers write is harmless. */
import t from 'tap'
import { judgeConnections, judgeName, judgePlain, judgeTls } from '../../src/check/connection.ts'
import { judgeAddress, judgeLatency, judgeNobody } from '../../src/check/lookup.ts'
import { judgeBruteForce, judgeEmail, judgeEvents, judgeTemplateAttribute } from '../../src/check/realm.ts'
import type { Certificate, Handshake } from '../../src/check/server-probe.ts'
import { judgeDatabase } from '../../src/check/store.ts'
import { listed, spanOf } from '../../src/check/text.ts'
import { judgeClock, judgeRoles, judgeToken } from '../../src/check/token.ts'
import { EXIT } from '../../src/errors.ts'
import { readAccessToken } from '../../src/directory/keycloak/access-token.ts'
import type { DirectoryUser } from '../../src/directory/user.ts'

const NOW_MS = Date.UTC(2026, 10, 24)
const DAY_MS = 86_400_000

const certificate = (subject: string, days: number): Certificate => ({
  subject,
  issuer: 'CN=root',
  validFromMs: NOW_MS - DAY_MS,
  validToMs: NOW_MS + days * DAY_MS,
})

function handshake(fields: Partial<Extract<Handshake, { kind: 'done' }>>): Handshake {
  const chain = [certificate('CN=leaf', 40), certificate('CN=root', 400)]
  return { kind: 'done', protocol: 'TLSv1.2', chain, fault: undefined, otherNames: undefined, ...fields }
}

const tls = (seen: Handshake, caFile?: string) =>
  judgeTls(seen, { host: 'id.example.org', insecure: false, caFile, nowMs: NOW_MS })

t.test('names and addresses', async (t) => {
  t.match(judgeName('h', { kind: 'failed', code: 'EAI_AGAIN' }), {
    hint: /resolv\.conf/,
    exit: EXIT.unavailable,
  })
  t.match(judgeName('h', { kind: 'failed', code: 'ENOTFOUND' }), { detail: 'no DNS server knows h' })
  t.match(judgeName('h', { kind: 'resolved', addresses: ['192.0.2.1', '2001:db8::1'] }), {
    result: 'ok',
    detail: 'h is 192.0.2.1, 2001:db8::1',
  })
  const seen = [
    { address: '192.0.2.1', code: undefined },
    { address: '2001:db8::1', code: 'ENETUNREACH' },
  ]
  t.match(judgeConnections(443, seen), {
    result: 'warning',
    detail: 'port 443: 192.0.2.1 answers, but not 2001:db8::1 (ENETUNREACH)',
  })
  t.equal(judgePlain('::1').result, 'ok')
  t.match(judgePlain('id.example.org'), { result: 'warning', detail: /NOT ENCRYPTED/ })
})

t.test('certificates: the one that ends first, and faults of other kinds', async (t) => {
  t.match(tls(handshake({})), {
    result: 'ok',
    detail: 'TLSv1.2, CN=leaf by CN=root, 40 days left, authorities of the system',
  })
  const oldRoot = handshake({ chain: [certificate('CN=leaf', 40), certificate('CN=root', 5)] })
  t.match(tls(oldRoot, '/ca.pem'), {
    result: 'warning',
    detail: /5 days left \(that of CN=root\), authorities of \/ca\.pem/,
    hint: 'renew the certificate of CN=root',
  })
  const future = certificate('CN=leaf', 40)
  t.match(
    tls(handshake({ fault: 'CERT_NOT_YET_VALID', chain: [{ ...future, validFromMs: NOW_MS + DAY_MS }] })),
    { result: 'failed', detail: 'a certificate begins only on 2026-11-25', hint: /right time/ },
  )
  t.match(tls(handshake({ fault: 'CERT_REVOKED' })), { detail: 'the certificate is refused (CERT_REVOKED)' })
  t.match(tls(handshake({ fault: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' })), { hint: /intermediate/ })
  t.match(tls(handshake({ otherNames: [] })), { detail: /but for no name at all/ })
  t.match(tls(handshake({ chain: [] })), { detail: /no certificate was shown/ })
  t.match(tls(handshake({ fault: 'CERT_HAS_EXPIRED', chain: [certificate('CN=leaf', 40)] })), {
    detail: 'an authority of CN=leaf has ended',
  })
})

t.test('what strangers name themselves is harmless and short', async (t) => {
  const evil = 'CN=\u001b]0;x\u0007\u202eevil\nok  TLS fine'
  const { detail } = tls(handshake({ otherNames: [evil, ...Array.from({ length: 9 }, (_, at) => `n${at}`)] }))
  t.notMatch(detail, /[\u0000-\u001f\u202e]/)
  t.match(detail, /and 5 more$/)
  t.equal(listed(['x'.repeat(500)]).length, 255)
})

t.test('clocks: what is known only to the second is not held against anybody', async (t) => {
  const at = NOW_MS + 400
  const times = (seconds: number | undefined) => ({
    askedAtMs: at,
    answeredAtMs: at + 200,
    serverSeconds: seconds === undefined ? undefined : NOW_MS / 1000 + seconds,
  })
  t.equal(judgeClock(times(0), 300).detail, "the same time as Keycloak's")
  t.match(judgeClock(times(-20), 300), { result: 'ok', detail: "our clock is 19 s ahead of Keycloak's" })
  t.match(judgeClock(times(31), 300), { result: 'warning', detail: /30 s behind/ })
  t.match(judgeClock(times(-32), 20), { result: 'failed' }, 'longer than a token lives')
  t.match(judgeClock(times(-302), undefined), { result: 'failed' })
  t.equal(judgeClock(times(undefined), undefined).result, 'skipped')
  t.same(
    [spanOf(-1000), spanOf(119_000), spanOf(3_600_000), spanOf(86_400_000)],
    ['1 s', '119 s', '60 minutes', '24 hours'],
  )
})

t.test('a token that is refused for a reason of its own', async (t) => {
  const names = { url: 'http://id.example.org', realm: 'mail', clientId: 'mailpassd' }
  const times = { askedAtMs: 0, answeredAtMs: 0, serverSeconds: undefined }
  for (const why of ['https_required', 'realm_disabled', 'other'] as const)
    t.match(judgeToken({ kind: 'refused', times, why, status: 403 }, names), {
      result: 'failed',
      detail: /\(answer 403\)$/,
      hint: /.+/,
      exit: EXIT.config,
    })
})

t.test('roles of a token', async (t) => {
  const token = (claims: object) => `x.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.y`
  const read = (claims: object) => readAccessToken(token(claims)).roles
  t.same(read({ resource_access: { 'realm-management': { roles: ['view-users'] } } }), ['view-users'])
  t.same(
    read({
      realm_access: { roles: ['default-roles-x', 'offline_access', 'admin', 'create-realm'] },
      resource_access: {
        'master-realm': { roles: ['view-users', 'manage-users'] },
        'mail-realm': { roles: ['view-users'] },
        account: { roles: ['manage-account'] },
      },
    }),
    ['view-users', 'manage-users', 'admin', 'create-realm'],
    'in the realm master',
  )
  t.same(read({ resource_access: { account: { roles: ['manage-account'] } } }), [])
  t.same(read({ iat: 1 }), undefined)
  for (const junk of ['', 'opaque', 'a.b.c', token({ resource_access: 'x' }), token({ iat: 'x' })])
    t.same(readAccessToken(junk), { issuedAtSeconds: undefined, roles: undefined }, junk)
  for (const role of [
    'manage-users',
    'manage-realm',
    'impersonation',
    'realm-admin',
    'admin',
    'create-realm',
  ])
    t.equal(judgeRoles(['view-users', role], false).result, 'failed', role)
  t.equal(judgeRoles(['view-users', 'create-client'], false).result, 'warning')
})

t.test('look-ups', async (t) => {
  const user: DirectoryUser = {
    id: '1',
    username: 'jane',
    email: 'jane@example.org',
    emailVerified: false,
    enabled: false,
    lockedOut: true,
    requiredActions: ['x'],
    firstName: '',
    lastName: '',
    hashes: ['{PLAIN}secret-a', 'secret-b', '{secret-c}x', '{BLF-CRYPT}secret-d'],
    template: 'secret-e',
  }
  const config = { password_attribute: 'p', template_attribute: 't', mappings: [] }
  const judge = (change: Partial<DirectoryUser>) =>
    judgeAddress('jane@example.org', { kind: 'found', user: { ...user, ...change } }, config)
  t.same(judge({}), {
    result: 'warning',
    detail:
      'jane@example.org: found, locked out for good, e-mail not verified, 4 hashes (PLAIN, unusable, unusable, BLF-CRYPT), a template attribute that no mapping names, 1 required action',
    hint: 'enable the user in Keycloak',
  })
  t.match(judge({ hashes: ['secret-b'] }), { result: 'warning', hint: /a hash looks like/ })
  t.match(judge({ hashes: [] }), { result: 'warning', hint: /put a hash into p/ })
  t.equal(judge({ enabled: true }).result, 'ok')
  for (const kind of ['other_email'] as const)
    t.equal(judgeAddress('jane@example.org', { kind }, config).result, 'failed')
  t.match(judgeNobody({ kind: 'found', user }), { result: 'failed', detail: /nobody can have/ })
  t.equal(judgeLatency([1, 2, 400, 900, 900]).result, 'ok')
  t.match(judgeLatency([1, 600, 501, 700, 2]), { result: 'warning', detail: /median of 5 look-ups 501 ms/ })
})

t.test('rules of a realm', async (t) => {
  const rules = { template_attribute: 't', trust_user_attributes: true, mappings: [] }
  t.match(judgeTemplateAttribute({ selfEdited: true }, rules), {
    result: 'warning',
    detail: /trust_user_attributes/,
  })
  t.equal(judgeTemplateAttribute({ selfEdited: false, visible: false }, rules).result, 'ok')
  const mapped = { ...rules, mappings: [{ attribute: 'a', template: 'b' }] }
  t.match(judgeTemplateAttribute({ selfEdited: false, visible: false }, mapped), { result: 'warning' })
  const open = { selfEdited: true, registration: false, verifies: true }
  t.match(judgeEmail(open, 'no'), { result: 'warning', detail: /whoever enters a free address/ })
  t.equal(judgeEmail(open, 'auto').result, 'ok')
  t.equal(judgeEmail({ ...open, selfEdited: false }, 'no').result, 'ok')
  const realm = {
    registrationAllowed: undefined,
    verifyEmail: undefined,
    duplicateEmailsAllowed: undefined,
    bruteForceProtected: true,
    permanentLockout: undefined,
  }
  t.match(judgeBruteForce(realm, 'block', { selfEdited: true }), { result: 'warning', hint: /view-realm/ })
  t.equal(judgeBruteForce({ ...realm, permanentLockout: true }, 'ignore', { selfEdited: false }).result, 'ok')
  const reading = { events: 'auto', events_seconds: 2 } as const
  t.match(judgeEvents({ missing: ['admin events'], keptMs: undefined }, reading), {
    result: 'warning',
    detail: /^not kept: admin events: /,
    hint: /Save events/,
  })
  t.match(judgeEvents('hidden', { ...reading, events: 'on' }), { result: 'failed', hint: /view-events/ })
  t.match(judgeEvents('hidden', { ...reading, events: 'off' }), { result: 'ok' })
  t.match(judgeEvents('hidden', { ...reading, events_seconds: 0 }), { result: 'ok' })
  t.match(judgeEvents({ missing: [], keptMs: 600_000 }, reading), { result: 'warning', detail: /10 minutes/ })
  t.match(judgeEvents({ missing: [], keptMs: 604_800_000 }, reading), { result: 'ok' })
  t.match(judgeDatabase('MariaDB x', '10', 80), { result: 'warning', hint: /far away/ })
})
