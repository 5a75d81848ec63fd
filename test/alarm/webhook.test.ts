/** The POST over real HTTP and HTTPS: signed, bounded, and done by 2xx alone. */
import { createHmac } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import t from 'tap'
import { createWebhook, MAX_BODY_BYTES, type WebhookOptions } from '../../src/alarm/webhook.ts'
import { Secret } from '../../src/secret.ts'
import { makeAuthority, makeCertificate, opensslMissing } from '../servers/certificates.ts'
import { suite } from '../servers/suite.ts'
import { FakeClock, FAKE_NOW_MS } from '../fakes/clock.ts'
import { answering, startReceiver } from './receiver.ts'

const SECRET = 'the secret of this webhook'
const BODY = '{"event":"alarm","text":"pässwort"}'

function webhook(url: string, more: Partial<WebhookOptions> = {}) {
  return createWebhook({
    url,
    secret: Secret.fromText(SECRET),
    caFile: undefined,
    timeoutMs: 20_000,
    clock: new FakeClock(),
    ...more,
  })
}

const never = new AbortController().signal

t.test('it posts the body, signed with the time', async (t) => {
  const receiver = await startReceiver(answering(204))
  t.teardown(() => receiver.stop())
  await webhook(receiver.url).send(BODY, never)
  await webhook(receiver.url, { secret: undefined }).send(BODY, never)
  const [signed, unsigned] = receiver.posted
  t.match(signed, { method: 'POST', path: '/hook?token=of-the-url', body: BODY })
  t.match(signed?.headers, { 'content-type': 'application/json', 'user-agent': 'mailpassd' })
  const at = FAKE_NOW_MS / 1000
  const mac = createHmac('sha256', SECRET).update(`${at}.${BODY}`, 'utf8').digest('hex')
  t.equal(signed?.headers['mailpassd-signature'], `t=${at},v1=${mac}`)
  t.equal(unsigned?.headers['mailpassd-signature'], undefined)
})

t.test('every answer but 2xx is a failure, a redirect too, and says no secret', async (t) => {
  const aside = await startReceiver(answering(200))
  t.teardown(() => aside.stop())
  for (const [status, text] of [
    [301, /redirects are not followed/],
    [307, /redirects are not followed/],
    [400, /answer 400/],
    [404, /answer 404/],
    [429, /answer 429/],
    [500, /answer 500/],
  ] as const) {
    const receiver = await startReceiver(answering(status, { location: aside.url }))
    const error: unknown = await webhook(receiver.url)
      .send(BODY, never)
      .catch((thrown: unknown) => thrown)
    t.match(error, { code: 'consumer_failed', message: text })
    t.notMatch(inspect(error, { depth: 9, showHidden: true }), /of-the-url|secret of this/)
    await receiver.stop()
  }
  t.strictSame(aside.posted, [])
})

t.test('refused, broken off, hanging, endless', async (t) => {
  const gone = await startReceiver(answering(200))
  await gone.stop()
  const refused: unknown = await webhook(gone.url)
    .send(BODY, never)
    .catch((thrown: unknown) => thrown)
  t.match(refused, { code: 'consumer_failed', message: /^webhook http:\/\/127\.0\.0\.1:\d+: ECONNREFUSED$/ })
  t.notMatch(inspect(refused, { depth: 9, showHidden: true }), /of-the-url/)

  const broken = await startReceiver((response) => void response.destroy())
  t.teardown(() => broken.stop())
  await t.rejects(webhook(broken.url).send(BODY, never), { code: 'consumer_failed', message: /ECONNRESET/ })

  const hanging = await startReceiver(() => {})
  t.teardown(() => hanging.stop())
  await t.rejects(webhook(hanging.url, { timeoutMs: 100 }).send(BODY, never), {
    message: /no answer in time/,
  })
  const stop = new AbortController()
  const stopped = webhook(hanging.url).send(BODY, stop.signal)
  stop.abort()
  await t.rejects(stopped, { message: /no answer in time/ })

  const endless = await startReceiver((response) => {
    response.writeHead(200)
    const more = (): void => {
      while (!response.destroyed && response.write('x'.repeat(65_536)));
      if (!response.destroyed) response.once('drain', more)
    }
    more()
  })
  t.teardown(() => endless.stop())
  await t.resolves(webhook(endless.url).send(BODY, never), 'its status is enough')
})

t.test('a body beyond its bound is not sent', async (t) => {
  const receiver = await startReceiver(answering(200))
  t.teardown(() => receiver.stop())
  await t.rejects(webhook(receiver.url).send('é'.repeat(MAX_BODY_BYTES / 2 + 1), never), {
    code: 'consumer_failed',
  })
  t.strictSame(receiver.posted, [])
})

suite('https', [await opensslMissing()], async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'mailpassd-webhook-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const authority = await makeAuthority(dir, 'the authority of the webhook')
  const wish = { commonName: 'webhook', by: authority }
  const good = await makeCertificate(dir, { ...wish, names: 'IP:127.0.0.1' })
  const other = await makeCertificate(dir, { ...wish, names: 'DNS:elsewhere.example' })
  const receiver = await startReceiver(answering(200), { tls: good })
  t.teardown(() => receiver.stop())
  const misnamed = await startReceiver(answering(200), { tls: other })
  t.teardown(() => misnamed.stop())
  const caFile = authority.certFile
  await t.resolves(webhook(receiver.url, { caFile }).send(BODY, never))
  await t.rejects(
    webhook(receiver.url).send(BODY, never),
    { code: 'consumer_failed' },
    'an unknown authority',
  )
  await t.rejects(webhook(misnamed.url, { caFile }).send(BODY, never), {
    message: /ERR_TLS_CERT_ALTNAME_INVALID/,
  })
  t.equal(receiver.posted.length + misnamed.posted.length, 1)

  const empty = join(dir, 'empty.pem')
  await writeFile(empty, 'nothing')
  t.throws(() => webhook(receiver.url, { caFile: empty }), { code: 'config_invalid' })
  t.throws(() => webhook(receiver.url, { caFile: join(dir, 'absent.pem') }), { code: 'config_unreadable' })
})
