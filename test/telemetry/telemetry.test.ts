import { readFile } from 'node:fs/promises'
import t from 'tap'
import { MailpassdError } from '../../src/errors.ts'
import { VERDICTS } from '../../src/login/why.ts'
import { SERVICES } from '../../src/login/service.ts'
import { Secret } from '../../src/secret.ts'
import { consoleLine } from '../../src/telemetry/console-lines.ts'
import { METRICS, metricsMarkdown } from '../../src/telemetry/definitions.ts'
import { errorFields } from '../../src/telemetry/error-fields.ts'
import { createLogger } from '../../src/telemetry/log.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { sparing } from '../../src/telemetry/sparing.ts'
import { FakeClock } from '../fakes/clock.ts'

t.test('logins are counted by verdict, service and door; unknown services are one label', async (t) => {
  const metrics = createMetrics({ version: '1.2.3' })
  t.teardown(() => metrics.close())
  for (const verdict of VERDICTS)
    for (const service of SERVICES)
      metrics.recordLogin({ verdict, service, door: 'sasl', durationMs: 3, provisioned: false })
  metrics.recordLogin({ verdict: 'ok', service: 'imap', door: 'http', durationMs: 9000, provisioned: true })
  const text = await metrics.text()
  t.match(text, 'mailpassd_logins_total{verdict="ok",service="imap",door="sasl"} 1\n')
  t.match(text, 'mailpassd_logins_total{verdict="temp_fail",service="other",door="sasl"} 3\n')
  t.notMatch(text, /service="(?:none|sogo)"/)
  t.match(text, 'mailpassd_login_duration_seconds_bucket{le="0.0025",door="sasl"} 0\n')
  const all = VERDICTS.length * SERVICES.length
  t.match(text, `mailpassd_login_duration_seconds_bucket{le="0.005",door="sasl"} ${all}\n`)
  t.match(text, 'mailpassd_login_duration_seconds_bucket{le="8",door="http"} 0\n')
  t.match(text, 'mailpassd_login_duration_seconds_bucket{le="+Inf",door="http"} 1\n')
  t.match(text, 'mailpassd_mailboxes_provisioned_total 1\n')
  t.equal(await metrics.text().then((again) => again.includes('service="imap",door="http"} 1\n')), true)
})

t.test('gauges are read from their sources when somebody asks', async (t) => {
  const metrics = createMetrics({ version: '1.2.3' })
  t.teardown(() => metrics.close())
  t.match(await metrics.text(), 'mailpassd_records 0\n')
  let records = 5
  const passwordPool = () => ({
    workers: 4,
    running: 2,
    queued: { known: 7, stranger: 9 },
    waitMs: { known: 20, stranger: 300 },
  })
  metrics.watch({ records: () => records, passwordPool })
  metrics.watch({ saslConnections: () => 11, loginLogPending: () => 13 })
  records = 6
  const text = await metrics.text()
  for (const line of [
    'mailpassd_records 6',
    'mailpassd_password_comparisons_running 2',
    'mailpassd_password_workers 4',
    'mailpassd_password_comparisons_queued{lane="known"} 7',
    'mailpassd_password_comparisons_queued{lane="stranger"} 9',
    'mailpassd_password_estimated_wait_seconds{lane="stranger"} 0.3',
    'mailpassd_sasl_connections 11',
    'mailpassd_login_log_pending 13',
    `mailpassd_build_info{version="1.2.3",node="${process.version}"} 1`,
  ])
    t.match(text, `${line}\n`)
})

t.test('comparisons are counted with how long they waited, or why they were not made', async (t) => {
  const metrics = createMetrics({ version: '1.2.3' })
  t.teardown(() => metrics.close())
  metrics.recordPasswordWait('known', 40)
  metrics.recordPasswordShed('stranger', 'no_time')
  const text = await metrics.text()
  t.match(text, 'mailpassd_password_wait_seconds_bucket{le="0.05",lane="known"} 1\n')
  t.match(text, 'mailpassd_password_sheds_total{lane="stranger",cause="no_time"} 1\n')
})

t.test('directory requests are counted with their result', async (t) => {
  const metrics = createMetrics({ version: '1.2.3' })
  t.teardown(() => metrics.close())
  metrics.recordDirectoryRequest('lookup', 'ok', 12)
  metrics.recordDirectoryRequest('lookup', 'directory_unavailable', 2000)
  metrics.recordDroppedLogLine()
  metrics.recordLoginLogOverflow(3)
  metrics.recordLoginLogWriteError()
  const text = await metrics.text()
  t.match(text, 'mailpassd_directory_requests_total{request="lookup",result="directory_unavailable"} 1\n')
  t.match(text, 'mailpassd_directory_request_duration_seconds_count{request="lookup"} 2\n')
  t.match(text, 'mailpassd_log_lines_dropped_total 1\n')
  t.match(text, 'mailpassd_login_log_overflow_total 3\n')
  t.match(text, 'mailpassd_login_log_write_errors_total 1\n')
})

t.test('every metric of the table is served, no other, and docs/metrics.md is in step', async (t) => {
  const metrics = createMetrics({ version: '1.2.3' })
  t.teardown(() => metrics.close())
  const served = [...(await metrics.text()).matchAll(/^# TYPE (\S+ \S+)$/gm)].map((match) => match[1])
  t.strictSame(new Set(served), new Set(Object.entries(METRICS).map(([name, { type }]) => `${name} ${type}`)))
  const page = await readFile(new URL('../../docs/metrics.md', import.meta.url), 'utf8')
  t.equal(page, metricsMarkdown(), 'run `npm run generate`')
})

function parseLine(line: string): Record<string, unknown> {
  const parsed: object = JSON.parse(line)
  return { ...parsed }
}

function collected(level: 'trace' | 'info' = 'trace') {
  const lines: string[] = []
  const logger = createLogger(level, { destination: { write: (line) => void lines.push(line) } })
  return { lines, logger, last: () => parseLine(lines.at(-1) ?? '{}') }
}

t.test('secrets are not printed, at whatever depth and in whatever form', (t) => {
  const { lines, logger } = collected()
  const canary = 'hunter2canary'
  logger.info(
    {
      password: canary,
      Authorization: `Bearer ${canary}`,
      a: { token: canary, list: [{ secret: canary }, { b: { client_secret: canary } }] },
      held: Secret.fromText(canary),
      body: Buffer.from(canary),
      view: new Uint8Array(Buffer.from(canary)),
      deep: { a: { b: { c: { d: { e: { f: canary } } } } } },
    },
    'text',
  )
  t.equal(lines.length, 1)
  t.notMatch(lines.join(''), canary)
  t.notMatch(lines.join(''), [...Buffer.from(canary)].join(','))
  t.match(lines.join(''), '"body":"[13 bytes]"')
  t.end()
})

t.test('levels below the one that was asked for are not written', (t) => {
  const { lines, logger } = collected('info')
  logger.debug({}, 'no')
  logger.trace({}, 'no')
  logger.info({}, 'a')
  logger.warn({}, 'b')
  logger.error({}, 'c')
  t.strictSame(
    lines.map((line) => parseLine(line)['msg']),
    ['a', 'b', 'c'],
  )
  t.end()
})

t.test('errors are printed by codes and messages down their causes, foreign properties are not', (t) => {
  const { logger, last, lines } = collected()
  const foreign = Object.assign(new Error('connect ECONNREFUSED'), {
    code: 'ECONNREFUSED',
    sql: 'SELECT hash-canary',
    response: { body: 'body-canary' },
  })
  logger.warn({ err: new MailpassdError('store_unavailable', 'no database', { cause: foreign }) }, 'x')
  t.strictSame(last()['err'], {
    name: 'MailpassdError',
    code: 'store_unavailable',
    message: 'no database',
    causes: [{ name: 'Error', code: 'ECONNREFUSED', message: 'connect ECONNREFUSED' }],
  })
  logger.error({ nested: { error: foreign } }, 'x')
  logger.error(foreign, 'x')
  t.notMatch(lines.join(''), 'canary')
  t.match(last()['err'], { at: [/telemetry\.test/] }, 'our own faults say where they came from')
  t.end()
})

t.test("V8's quotations of malformed text are dropped; circles of causes end", (t) => {
  try {
    JSON.parse('{"password": hunter2canary}')
    t.fail('is malformed')
  } catch (error) {
    t.notMatch(JSON.stringify(errorFields(error)), 'canary')
    t.notMatch(JSON.stringify(errorFields(new MailpassdError('internal', 'x', { cause: error }))), 'canary')
  }
  const circle = new Error('round')
  circle.cause = circle
  t.equal(errorFields(circle).causes?.length, 5)
  t.strictSame(errorFields('text-canary'), {
    name: 'string',
    message: 'a value that is not an Error was thrown',
  })
  t.equal(errorFields(new Error('x'.repeat(10_000))).message.length, 500)
  t.end()
})

t.test('on a terminal lines are for people', (t) => {
  const line = consoleLine('{"level":40,"time":0,"name":"a b","n":1,"list":["x"],"msg":"slow reader"}\n')
  t.match(line, /^\d\d:\d\d:\d\d WARN {2}slow reader name="a b" n=1 list=\["x"\]\n$/)
  t.equal(consoleLine('not ours\n'), 'not ours\n')
  t.equal(consoleLine('7\n'), '7\n')
  t.end()
})

t.test('an outage is said once in ten seconds, and how often it was kept back', async (t) => {
  const clock = new FakeClock()
  const said: [object, string][] = []
  const log = sparing({ ...silentLogger, warn: (...line) => void said.push(line) }, clock)
  const down = new MailpassdError('store_unavailable', 'down')
  for (let i = 0; i < 1000; i += 1) log.warn({ err: down }, 'the database did not answer a login')
  const other = new MailpassdError('store_failed', 'mailbox x: its attributes are not a JSON object')
  log.warn({ err: other }, 'the database did not answer a login')
  t.strictSame(
    said.map(([fields]) => fields),
    [{ err: down }, { err: other }],
  )
  await clock.advance(10_000)
  log.warn({ err: down }, 'the database did not answer a login')
  t.strictSame(said.at(-1), [{ err: down, suppressed: 999 }, 'the database did not answer a login'])
})
