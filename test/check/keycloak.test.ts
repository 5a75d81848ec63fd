/** The connection test on a real Keycloak: each fault is made, and named by its step with the way out. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { systemClock, type Clock } from '../../src/clock.ts'
import { EXIT } from '../../src/errors.ts'
import { makeAuthority, makeCertificate, opensslMissing } from '../servers/certificates.ts'
import { startFaultProxy, type HttpFault } from '../servers/fault-proxy.ts'
import {
  keycloakForTests,
  type RealmWish,
  type TestKeycloak,
  type TestRealm,
} from '../servers/keycloak-realm.ts'
import { keycloakMissing, suite } from '../servers/suite.ts'
import { tlsProxy } from '../servers/tls-proxy.ts'
import { runLive, stepOf, type LiveWish } from './live.ts'

const HASH = '{BLF-CRYPT}$2y$10$of-this-test-alone'
const JANE = {
  username: 'jane',
  email: 'jane@x.example',
  attributes: { mailcow_password: [HASH], mailcow_template: ['sales'] },
}
/** With these two more the test sees all of it. */
const SEEING = ['view-users', 'view-realm', 'view-events']

suite('on a real Keycloak', [keycloakMissing(), await opensslMissing()], async (t) => {
  const found = keycloakForTests(t)
  if (found === undefined) return
  const keycloak: TestKeycloak = found

  async function makeRealm(t: Test, wish: RealmWish = {}): Promise<TestRealm> {
    const realm = await keycloak.makeRealm({ users: [JANE], ...wish })
    t.teardown(() => realm.drop())
    return realm
  }

  /** Runs it against a realm; nothing secret may come out, whatever happens. */
  async function run(t: Test, realm: TestRealm, wish: Partial<LiveWish> = {}) {
    const report = await runLive(t, {
      directory: {
        server_url: realm.url,
        realm: realm.realm,
        client_id: realm.clientId,
        client_secret: realm.clientSecret,
      },
      ...wish,
    })
    for (const secret of [realm.clientSecret, HASH, 'of-this-test', 'eyJ', 'Bearer'])
      t.notOk(report.all.includes(secret), `does not show ${secret}`)
    return report
  }

  t.test('a realm in order', async (t) => {
    const realm = await makeRealm(t, {
      roles: SEEING,
      settings: { eventsEnabled: true, adminEventsEnabled: true, bruteForceProtected: true },
    })
    const report = await run(t, realm, {
      address: 'Jane@X.example',
      asText: true,
      directory: {
        server_url: realm.url,
        realm: realm.realm,
        client_id: realm.clientId,
        client_secret: realm.clientSecret,
        mappings: [{ attribute: 'sales', template: 'Default' }],
      },
    })
    t.same(
      report.steps.map(({ name, result }) => [name, result]),
      [
        ['configuration', 'ok'],
        ['data directory', 'ok'],
        ['name resolution', 'ok'],
        ['TCP', 'ok'],
        ['TLS', 'ok'],
        ['token', 'ok'],
        ['clock', 'ok'],
        ['roles', 'ok'],
        ['look-up', 'ok'],
        ['address', 'ok'],
        ['latency', 'ok'],
        ['password attribute', 'ok'],
        ['template attribute', 'ok'],
        ['e-mail', 'ok'],
        ['duplicate e-mails', 'ok'],
        ['brute force', 'ok'],
        ['events', 'ok'],
        ['database', 'ok'],
      ],
    )
    t.equal(report.exitCode, EXIT.ok)
    t.match(report.json, { ok: true, result: 'ok', exit_code: 0 })
    t.equal(
      stepOf(report, 'address').detail,
      'jane@x.example: found, enabled, e-mail verified, 1 hash (BLF-CRYPT), template "Default" by mapping',
    )
    t.match(report.text.trimEnd().split('\n').at(-1), /^result: ok, \d+\.\d s$/)
  })

  t.test('with view-users alone it says what it cannot see', async (t) => {
    const report = await run(t, await makeRealm(t), {
      address: 'nobody@x.example',
      asText: true,
    })
    t.equal(report.exitCode, EXIT.ok)
    for (const name of ['e-mail', 'duplicate e-mails'])
      t.match(stepOf(report, name), { result: 'warning', hint: /view-realm/ })
    t.match(stepOf(report, 'events'), { result: 'warning', hint: /view-events/ })
    t.match(stepOf(report, 'address'), { result: 'warning', detail: /no user has this e-mail/ })
    t.match(report.text, /^result: warning \(warning: address, e-mail, /m)
  })

  t.test('wrong secret, wrong client, wrong realm, wrong URL: each told apart', async (t) => {
    const realm = await makeRealm(t)
    const right = {
      server_url: realm.url,
      realm: realm.realm,
      client_id: realm.clientId,
      client_secret: realm.clientSecret,
    }
    const cases: [Partial<typeof right>, RegExp, RegExp][] = [
      [
        { client_secret: 'wrong-of-this-test' },
        /client secret is wrong for the client "mailpassd"/,
        /Credentials/,
      ],
      [{ client_id: 'nobody' }, /has no enabled client "nobody"/, /client_id/],
      [{ realm: 'no-such-realm' }, /there is no realm "no-such-realm"/, /directory\.realm/],
      [{ server_url: `${realm.url}/auth` }, /is no Keycloak/, /directory\.server_url/],
    ]
    for (const [change, detail, hint] of cases) {
      const report = await run(t, realm, { directory: { ...right, ...change }, asText: true })
      t.equal(report.exitCode, EXIT.config)
      t.match(stepOf(report, 'token'), { result: 'failed', detail, hint })
      for (const name of ['roles', 'look-up', 'latency', 'password attribute', 'events'])
        t.match(stepOf(report, name), { result: 'skipped' }, `${name} is skipped`)
      t.equal(stepOf(report, 'TCP').result, 'ok')
    }
  })

  t.test('clients that get no token', async (t) => {
    const realm = await makeRealm(t)
    const secret = 'of-this-test-too'
    const clients: [string, object, RegExp][] = [
      ['off', { serviceAccountsEnabled: false }, /has no service account/],
      ['public', { publicClient: true }, /is public/],
      ['disabled', { serviceAccountsEnabled: true, enabled: false }, /no enabled client/],
      [
        'signed',
        { serviceAccountsEnabled: true, clientAuthenticatorType: 'client-jwt' },
        /does not log in by a secret/,
      ],
    ]
    for (const [clientId, settings, detail] of clients) {
      await realm.admin('POST', '/clients', { clientId, secret, publicClient: false, ...settings })
      const report = await run(t, { ...realm, clientId, clientSecret: secret })
      t.match(stepOf(report, 'token'), { result: 'failed', detail })
    }
    await realm.setUser('service-account-mailpassd', { enabled: false })
    t.match(stepOf(await run(t, realm), 'token'), { detail: /service account .* is disabled/ })
    await realm.setRealm({ enabled: false })
    t.match(stepOf(await run(t, realm), 'token'), { detail: /realm .* is disabled/ })
  })

  t.test('no role, the wrong one, too many, more than needed', async (t) => {
    const cases: [string[], string, RegExp][] = [
      [[], 'failed', /no role over users/],
      [['query-users'], 'failed', /view-users is missing \(there is query-users\)/],
      [['manage-users'], 'failed', /too many roles: manage-users\./],
      [['view-users', 'impersonation'], 'failed', /too many roles: impersonation\./],
      [['realm-admin'], 'failed', /too many roles: .*and \d+ more\. Whoever reads the client secret/],
      [['view-users', 'view-clients'], 'warning', /more roles than needed: .*view-clients/],
      [['view-users'], 'ok', /view-users/],
    ]
    for (const [roles, result, detail] of cases) {
      const report = await run(t, await makeRealm(t, { roles }))
      t.match(stepOf(report, 'roles'), {
        result,
        detail,
        ...(result === 'ok' ? {} : { hint: /Service accounts roles/ }),
      })
      t.equal(report.exitCode, result === 'failed' ? EXIT.config : EXIT.ok)
    }
    const none = await run(t, await makeRealm(t, { roles: [] }))
    t.match(stepOf(none, 'look-up'), { result: 'failed' })
    t.match(stepOf(none, 'password attribute'), { result: 'skipped', detail: /look-up/ })
  })

  t.test('roles that every user has, and tokens that show none', async (t) => {
    const realm = await makeRealm(t)
    const secret = 'of-this-test-too'
    // As the console makes it: with manage-account of the client account.
    await realm.admin('POST', '/clients', { clientId: 'console', secret, serviceAccountsEnabled: true })
    t.match(stepOf(await run(t, { ...realm, clientId: 'console', clientSecret: secret }), 'roles'), {
      result: 'failed',
      detail: /no role over users/,
    })
    const [mine] = asList(await realm.admin('GET', `/clients?clientId=${realm.clientId}`))
    await realm.admin('PUT', `/clients/${String(Object(mine).id)}`, {
      ...mine,
      secret: realm.clientSecret,
      attributes: { 'client.use.lightweight.access.token.enabled': 'true' },
    })
    t.match(stepOf(await run(t, realm), 'roles'), {
      result: 'warning',
      detail: /does not show its roles/,
      hint: /lightweight/,
    })
  })

  t.test("the realm's profile: hidden, edited by users, seen by users", async (t) => {
    const hidden = await run(t, await makeRealm(t, { attributes: {} }), { address: 'jane@x.example' })
    t.match(stepOf(hidden, 'password attribute'), {
      result: 'failed',
      detail: /realm hides this attribute/,
      hint: /declare mailcow_password/,
    })
    t.match(stepOf(hidden, 'address'), { result: 'warning', detail: /no hash/ })
    t.equal(hidden.exitCode, EXIT.config)

    const edited = await run(
      t,
      await makeRealm(t, { attributes: { mailcow_password: 'user-edit', mailcow_template: 'user-edit' } }),
    )
    t.match(stepOf(edited, 'password attribute'), {
      result: 'failed',
      detail: /can replace it/,
      hint: /declare/,
    })
    t.match(stepOf(edited, 'template attribute'), { result: 'failed', detail: /so that it is ignored/ })

    const open = await makeRealm(t, { attributes: {}, unmanaged: 'ENABLED' })
    t.match(stepOf(await run(t, open), 'password attribute'), { result: 'failed', detail: /can replace it/ })

    const seen = await makeRealm(t, {
      attributes: { mailcow_password: 'user-view', mailcow_template: 'admin' },
    })
    t.match(stepOf(await run(t, seen), 'password attribute'), {
      result: 'warning',
      detail: /see their own hash/,
    })

    const readOnly = await makeRealm(t, { attributes: {}, unmanaged: 'ADMIN_VIEW' })
    t.match(stepOf(await run(t, readOnly), 'password attribute'), {
      result: 'warning',
      detail: /cannot edit it/,
    })
  })

  t.test('e-mail: edited by users, registration, duplicates', async (t) => {
    const realm = await makeRealm(t, {
      roles: SEEING,
      emailEdited: true,
      registrationAllowed: true,
      duplicateEmailsAllowed: true,
      users: [
        { username: 'a', email: 'twice@x.example' },
        { username: 'b', email: 'twice@x.example' },
      ],
    })
    const report = await run(t, realm, { address: 'twice@x.example' })
    t.match(stepOf(report, 'e-mail'), {
      result: 'warning',
      detail: /may edit their e-mail address and may register themselves: .*does not verify/,
      hint: /Verify email/,
    })
    t.match(stepOf(report, 'duplicate e-mails'), { result: 'warning', hint: /Duplicate emails off/ })
    t.match(stepOf(report, 'address'), { result: 'failed', detail: /2 users have this e-mail address/ })
    await realm.setRealm({ verifyEmail: true })
    t.equal(stepOf(await run(t, realm), 'e-mail').result, 'ok')
  })

  t.test('lockouts, and who may feign one', async (t) => {
    const realm = await makeRealm(t, {
      roles: SEEING,
      settings: { bruteForceProtected: true, permanentLockout: true },
      unmanaged: 'ENABLED',
    })
    t.match(stepOf(await run(t, realm), 'brute force'), {
      result: 'warning',
      detail: /a stranger .* can cause it/,
    })
    const directory = {
      server_url: realm.url,
      realm: realm.realm,
      client_id: realm.clientId,
      client_secret: realm.clientSecret,
      lockout: 'ignore',
    }
    t.match(stepOf(await run(t, realm, { directory }), 'brute force'), {
      result: 'failed',
      detail: /disabledReason/,
    })
  })

  t.test('clock off', async (t) => {
    const realm = await makeRealm(t)
    const off = (ms: number): Clock => ({ ...systemClock, nowMs: () => systemClock.nowMs() + ms })
    const cases: [number, string, RegExp][] = [
      [600_000, 'failed', /our clock is 10 minutes ahead of Keycloak's/],
      [-600_000, 'failed', /our clock is 10 minutes behind Keycloak's/],
      [60_000, 'warning', /our clock is \d\d s ahead of/],
    ]
    for (const [ms, result, detail] of cases)
      t.match(stepOf(await run(t, realm, { clock: off(ms) }), 'clock'), {
        result,
        detail,
        hint: /time service/,
      })
    // A difference that every token of this realm ends in.
    await realm.setRealm({ accessTokenLifespan: 60 })
    const late = await run(t, realm, { clock: off(90_000) })
    t.match(stepOf(late, 'clock'), { result: 'failed' })
    t.equal(late.exitCode, EXIT.config)
  })

  t.test('TLS: each fault of a certificate by its name', async (t) => {
    const realm = await makeRealm(t)
    const dir = await mkdtemp(join(tmpdir(), 'mailpassd-tls-'))
    t.teardown(() => rm(dir, { recursive: true, force: true }))
    const [begun, over] = [new Date('2020-01-01'), new Date('2021-01-01')]
    const soon = new Date(Date.now() + 3 * 86_400_000)
    const good = await makeAuthority(dir, 'good authority')
    const expired = await makeAuthority(dir, 'expired authority', { from: begun, to: over })
    const names = 'IP:127.0.0.1, DNS:localhost'
    const server = { commonName: 'the server', names }

    /** Keycloak behind this certificate, with these authorities trusted. */
    async function behind(
      cert: Awaited<ReturnType<typeof makeCertificate>>,
      tls: { ca_file?: string; insecure?: boolean },
    ) {
      const directory = {
        server_url: await tlsProxy(t, realm.url, cert),
        realm: realm.realm,
        client_id: realm.clientId,
        client_secret: realm.clientSecret,
        tls,
      }
      return run(t, realm, { directory })
    }

    const right = await behind(await makeCertificate(dir, { ...server, by: good }), {
      ca_file: good.certFile,
    })
    t.match(stepOf(right, 'TLS'), {
      result: 'ok',
      detail: /^TLSv1\.3, CN=the server by CN=good authority, \d+ days left, authorities of .*cert\.pem$/,
    })
    t.equal(stepOf(right, 'look-up').result, 'ok')
    t.equal(stepOf(right, 'directory.tls.ca_file').result, 'ok')

    const cases: [string, Parameters<typeof makeCertificate>[1], string | undefined, RegExp, RegExp][] = [
      [
        'expired CA',
        { ...server, by: expired },
        expired.certFile,
        /the authority CN=expired authority ended on 2021-01-01/,
        /an authority that is still good/,
      ],
      [
        'expired certificate',
        { ...server, by: good, from: begun, to: over },
        good.certFile,
        /the certificate CN=the server ended on 2021-01-01/,
        /renew it on the server/,
      ],
      [
        'unknown authority',
        { ...server, by: good },
        undefined,
        /the authority CN=good authority is not trusted/,
        /directory\.tls\.ca_file/,
      ],
      ['self-signed', server, undefined, /CN=the server is signed by itself/, /directory\.tls\.ca_file/],
      [
        'another name',
        { commonName: 'other', names: 'DNS:id.example.org', by: good },
        good.certFile,
        /not for 127\.0\.0\.1, but for id\.example\.org/,
        /server_url/,
      ],
    ]
    for (const [what, wish, caFile, detail, hint] of cases) {
      const tls = caFile === undefined ? {} : { ca_file: caFile }
      const report = await behind(await makeCertificate(dir, wish), tls)
      t.match(stepOf(report, 'TLS'), { result: 'failed', detail, hint }, what)
      t.match(stepOf(report, 'token'), { result: 'skipped' }, `${what}: no secret is sent`)
      t.equal(report.exitCode, EXIT.config)
    }

    const ending = await behind(await makeCertificate(dir, { ...server, by: good, to: soon }), {
      ca_file: good.certFile,
    })
    t.match(stepOf(ending, 'TLS'), {
      result: 'warning',
      detail: /2 days left/,
      hint: /renew .*CN=the server/,
    })

    const insecure = await behind(await makeCertificate(dir, server), { insecure: true })
    t.match(stepOf(insecure, 'TLS'), {
      result: 'warning',
      detail: /NOT CHECKED .*; it would be refused: .* signed by itself/,
      hint: /take directory\.tls\.insecure out/,
    })
    t.equal(stepOf(insecure, 'look-up').result, 'ok')

    const plain = await run(t, realm, {
      directory: {
        server_url: realm.url.replace('http:', 'https:'),
        realm: realm.realm,
        client_id: realm.clientId,
        client_secret: realm.clientSecret,
      },
    })
    t.match(stepOf(plain, 'TLS'), { result: 'failed', detail: /no TLS came about/, hint: /http:\/\// })
    t.equal(plain.exitCode, EXIT.unavailable)
  })

  t.test('a server that does not behave', async (t) => {
    const realm = await makeRealm(t)
    const proxy = await startFaultProxy(realm.url)
    t.teardown(() => proxy.stop())
    const faults: [HttpFault, string, RegExp, number][] = [
      ['stopped', 'TCP', /127\.0\.0\.1 \(ECONNREFUSED\)/, EXIT.unavailable],
      ['failing', 'token', /answer 500/, EXIT.unavailable],
      ['html', 'token', /answer 200 is not JSON/, EXIT.config],
      ['half', 'token', /broke off/, EXIT.config],
      ['refusing', 'token', /refused the client/, EXIT.config],
      ['silent', 'token', /no answer within/, EXIT.unavailable],
    ]
    for (const [fault, step, detail, exitCode] of faults) {
      await proxy.set(fault)
      const report = await run(t, { ...realm, url: proxy.url })
      t.match(stepOf(report, step), { result: 'failed', detail, hint: /.+/ }, fault)
      t.equal(report.exitCode, exitCode, fault)
      t.match(stepOf(report, 'look-up'), { result: 'skipped' })
      await proxy.set(undefined)
    }
    t.equal((await run(t, { ...realm, url: proxy.url })).exitCode, EXIT.ok)
  })

  t.test('a name that nobody knows', async (t) => {
    const realm = await makeRealm(t)
    const report = await run(t, { ...realm, url: 'http://id.mailpassd.invalid:8080' })
    t.match(stepOf(report, 'name resolution'), { result: 'failed', hint: /.+/ })
    t.match(stepOf(report, 'TCP'), { result: 'skipped', detail: /name resolution did not come off/ })
    t.equal(report.exitCode, EXIT.unavailable)
  })
})

function asList(value: unknown): object[] {
  if (!Array.isArray(value)) throw new Error('no list')
  return value.map((each) => Object(each))
}
