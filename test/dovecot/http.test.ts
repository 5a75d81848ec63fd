/** doveadm over HTTP: what is asked, and what is made of each answer. The answers of 2.3 and 2.4 were taken from them. */
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { createServer as createTcp } from 'node:net'
import { join } from 'node:path'
import { inspect } from 'node:util'
import t, { type Test } from 'tap'
import { targetOf, type DoveadmAction } from '../../src/dovecot/doveadm.ts'
import { doveadmHttp } from '../../src/dovecot/http.ts'
import { Secret } from '../../src/secret.ts'
import { makeAuthority, makeCertificate, opensslMissing } from '../servers/certificates.ts'
import { suite } from '../servers/suite.ts'

const JANE = targetOf('jane@example.org')
const NEVER = new AbortController().signal

interface Asked {
  readonly url: string | undefined
  readonly authorization: string | undefined
  readonly body: string
}

async function listen(t: Test, server: Server | ReturnType<typeof createTcp>): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    if ('closeAllConnections' in server) server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no TCP port')
  return `http://127.0.0.1:${address.port}`
}

async function answering(t: Test, status: number, text: string) {
  const asked: Asked[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
    request.on('end', () => {
      asked.push({ url: request.url, authorization: request.headers.authorization, body })
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(text)
    })
  })
  return { url: await listen(t, server), asked }
}

function run(
  url: string,
  action: DoveadmAction = 'kick',
  { timeoutMs = 20_000, caFile }: { readonly timeoutMs?: number; readonly caFile?: string } = {},
): Promise<void> {
  const apiKey = Secret.fromText('sesame')
  const doveadm = doveadmHttp({ name: 'mx1', url, apiKey, caFile, timeoutMs })
  if (JANE === undefined) throw new Error('no target')
  return doveadm.run(action, JANE, NEVER)
}

t.test('one command, for one mailbox, with the key', async (t) => {
  const { url, asked } = await answering(t, 200, '[["doveadmResponse",[{"count":"1"}],"mailpassd"]]')
  await run(url)
  await run(`${url}/doveadm/v1`, 'flush_auth_cache')
  t.same(asked, [
    {
      url: '/doveadm/v1',
      authorization: 'X-Dovecot-API c2VzYW1l',
      body: '[["kick",{"mask":["jane@example.org"]},"mailpassd"]]',
    },
    {
      url: '/doveadm/v1',
      authorization: 'X-Dovecot-API c2VzYW1l',
      body: '[["authCacheFlush",{"user":["jane@example.org"]},"mailpassd"]]',
    },
  ])
})

t.test('answers', async (t) => {
  const NOBODY = '[["error",{"type":"exitCode", "exitCode":68},"mailpassd"]]'
  for (const text of [
    '[["doveadmResponse",[{"result":"jane@example.org"}],"mailpassd"]]',
    '[["doveadmResponse",[{"count":"0"}],"mailpassd"]]',
    NOBODY,
  ])
    await run((await answering(t, 200, text)).url)
  const refused: readonly (readonly [number, string, RegExp, DoveadmAction?])[] = [
    [200, NOBODY, /authCacheFlush: refused \(exitCode, exit code 68\)/, 'flush_auth_cache'],
    [
      200,
      '[["error",{"type":"exitCode","exitCode":75},"mailpassd"]]',
      /kick: refused \(exitCode, exit code 75\)/,
    ],
    [200, '[["error",{"type":"unknownMethod","exitCode":0},"mailpassd"]]', /unknownMethod/],
    [
      200,
      '[["error",{"type":{"toString":1},"exitCode":{"valueOf":null,"toString":null}},"mailpassd"]]',
      /kick: refused/,
    ],
    [200, '[["doveadmResponse",[],"of another"]]', /an answer that is none of doveadm/],
    [200, '[]', /none of doveadm/],
    [200, '<html>ok</html>', /none of doveadm/],
    [200, '', /none of doveadm/],
    [200, 'x'.repeat(70_000), /more than 65536 bytes/],
    [401, '', /answer 401: the API key is not that of doveadm_api_key/],
    [404, '', /answer 404; is this Dovecot's doveadm HTTP listener/],
    [302, '', /answer 302/],
  ]
  for (const [status, text, message, action] of refused) {
    const { url } = await answering(t, status, text)
    await t.rejects(run(url, action), { code: 'consumer_failed', message }, `${status} ${text.slice(0, 60)}`)
  }
})

t.test('an endpoint that is down, hangs or dies is named, and no key is told', async (t) => {
  const down = await answering(t, 200, '')
  const hanging = await listen(
    t,
    createServer(() => {}),
  )
  await t.rejects(run(hanging, 'kick', { timeoutMs: 200 }), {
    code: 'consumer_failed',
    message: `Dovecot mx1 (${hanging}): kick: no answer in time`,
  })
  const dying = await listen(
    t,
    createTcp((socket) => socket.once('data', () => socket.destroy())),
  )
  await t.rejects(run(dying, 'flush_auth_cache'), {
    message: /ECONNRESET \(Dovecot 2\.4\.1 can do this by command/,
  })
  const free = new URL(down.url)
  free.port = '1'
  const error = await run(free.origin).catch((thrown: unknown) => thrown)
  t.match(error, { message: 'Dovecot mx1 (http://127.0.0.1:1): kick: ECONNREFUSED' })
  t.notMatch(inspect(error), /sesame|c2VzYW1l/)
})

suite(
  'over TLS: only a server that the CA file vouches for gets the key',
  [await opensslMissing()],
  async (t) => {
    const dir = t.testdir()
    const authority = await makeAuthority(dir, 'CA of the test')
    const other = await makeAuthority(dir, 'another CA')
    const { cert, key } = await makeCertificate(dir, {
      commonName: 'mx1',
      names: 'IP:127.0.0.1',
      by: authority,
    })
    let asked = 0
    const server = createTlsServer({ cert, key }, (_request, response) => {
      asked += 1
      response.end('[["doveadmResponse",[{"count":"1"}],"mailpassd"]]')
    })
    const url = (await listen(t, server)).replace('http:', 'https:')
    await run(url, 'kick', { caFile: authority.certFile })
    t.equal(asked, 1)
    await t.rejects(run(url, 'kick', { caFile: other.certFile }), {
      message: /kick: [A-Z_]*(CERT|SIGNATURE|ISSUER)/,
    })
    await t.rejects(run(url, 'kick'), { code: 'consumer_failed' })
    t.equal(asked, 1)
  },
)

t.test('a CA file that is none is told at the start', async (t) => {
  const file = join(t.testdir(), 'ca.pem')
  const options = { name: 'mx1', url: 'https://127.0.0.1:1', apiKey: Secret.fromText('k'), timeoutMs: 100 }
  t.throws(() => doveadmHttp({ ...options, caFile: file }), {
    code: 'config_unreadable',
    message: /mx1.*ENOENT/,
  })
  writeFileSync(file, 'no certificate')
  t.throws(() => doveadmHttp({ ...options, caFile: file }), { code: 'config_invalid', message: /no PEM/ })
})
