/** `mailpassd alarm test`, and what the configuration says of a webhook. */
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { alarmTest } from '../../src/cli/alarm.ts'
import { EXIT } from '../../src/errors.ts'
import { examineConfig } from '../../src/config/load.ts'
import { answering, startReceiver } from '../alarm/receiver.ts'
import { recordedIo } from './recorded-io.ts'

function configFile(t: Test, text: string): string {
  return join(t.testdir({ 'mailpassd.toml': text }), 'mailpassd.toml')
}

async function run(t: Test, text: string, ...args: string[]) {
  const io = recordedIo('', { MAILPASSD_WEBHOOK_SECRET: 'secret of the webhook' })
  const code = await alarmTest.run(['--config', configFile(t, text), ...args], io)
  return { code, out: io.seen.out, err: io.seen.err }
}

t.test('told, signed', async (t) => {
  const receiver = await startReceiver(answering(200))
  t.teardown(() => receiver.stop())
  const text = `[alarm]\nwebhook_url = "${receiver.url}"\nwebhook_secret_env = "MAILPASSD_WEBHOOK_SECRET"\n`
  const plain = await run(t, text)
  t.match(plain, {
    code: EXIT.ok,
    out: /^http:\/\/127\.0\.0\.1:\d+ took the test alarm \S+ in \d+ ms, signed\n$/,
  })
  const { code, out } = await run(t, text, '--json')
  t.equal(code, EXIT.ok)
  t.match(JSON.parse(out), { delivered: true, signed: true, error: null })
  t.equal(receiver.posted.length, 2)
  t.match(JSON.parse(receiver.posted[0]?.body ?? ''), { event: 'alarm', alarm: 'test' })
  t.match(receiver.posted[0]?.headers['mailpassd-signature'], /^t=\d+,v1=[0-9a-f]{64}$/)
})

t.test('not taken, and none', async (t) => {
  const receiver = await startReceiver(answering(403))
  t.teardown(() => receiver.stop())
  const text = `[alarm]\nwebhook_url = "${receiver.url}"\n`
  await t.rejects(run(t, text), { code: 'consumer_failed', message: /answer 403/ })
  const { code, out } = await run(t, text, '--json')
  t.equal(code, EXIT.unavailable)
  t.match(JSON.parse(out), { delivered: false, signed: false, error: /answer 403/ })
  await t.rejects(run(t, ''), { code: 'config_invalid', message: /has no alarm\.webhook_url/ })
})

t.test('what is wrong with a webhook is told by its key, never with its path', async (t) => {
  const examine = async (text: string) =>
    examineConfig({ path: configFile(t, text), env: {}, makeDataDir: false, dataDir: '/nowhere' })
  const secret = 'webhook_secret_file = "secret"'
  for (const [line, key, what] of [
    ['webhook_url = "alerts.example.org/token-1"', 'alarm.webhook_url', /expected a URL/],
    ['webhook_url = "ftp://alerts.example.org/token-1"', 'alarm.webhook_url', /expected a URL/],
    ['webhook_url = "https://jane:token-1@alerts.example.org/"', 'alarm.webhook_url', /without user name/],
    ['webhook_url = "https://alerts.example.org/#token-1"', 'alarm.webhook_url', /without #/],
    [`webhook_url = "https://alerts.example.org/"\n${secret}`, 'alarm.webhook_secret_file', /secret/],
    ['new_networks_per_hour = -1', 'alarm.new_networks_per_hour', /whole number/],
    ['webhook = "https://alerts.example.org/"', 'alarm.webhook', /unknown key/],
  ] as const) {
    const { problems } = await examine(`[alarm]\n${line}\n`)
    t.match(
      problems.find((problem) => problem.key === key),
      { text: what },
      line,
    )
    t.notMatch(JSON.stringify(problems), 'token-1')
  }
  for (const [lines, key, what] of [
    ['webhook_url = "http://alerts.example.org/token-1"', 'alarm.webhook_url', /not encrypted/],
    ['webhook_url = "https://alerts.example.org/token-1"', 'alarm.webhook_url', /nothing is signed/],
    ['webhook_ca_file = "ca.pem"', 'alarm.webhook_ca_file', /unused/],
    ['webhook_url = "http://127.0.0.1/"\nwebhook_ca_file = "ca.pem"', 'alarm.webhook_ca_file', /not https/],
  ] as const) {
    const { problems, warnings } = await examine(`[alarm]\n${lines}\n`)
    t.strictSame(problems, [])
    t.ok(
      warnings.some((warning) => warning.key === key && what.test(warning.text)),
      lines,
    )
    t.notMatch(JSON.stringify(warnings), 'token-1')
  }
})
