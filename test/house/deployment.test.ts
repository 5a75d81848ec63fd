/** What an operator installs: the systemd unit, and the paths, ports and users that several files have to agree on. */
import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { suite } from '../servers/suite.ts'

const ROOT = join(import.meta.dirname, '../..')
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')
const ANALYZE = existsSync('/usr/bin/systemd-analyze')
  ? undefined
  : 'systemd-analyze is not installed (npm run servers)'
const unit = read('systemd/mailpassd.service')

/** Runs systemd-analyze; gives its exit code and all that it wrote. */
function analyze(...args: string[]): Promise<{ code: number; text: string }> {
  return new Promise((resolve) => {
    execFile('systemd-analyze', args, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, text: stdout + stderr })
    })
  })
}

/** The socket units that are shipped: optional. */
const SOCKETS = ['mailpassd.socket', 'mailpassd-postfix.socket']

suite('systemd understands the units, and finds the service closed', [ANALYZE], async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'mailpassd-unit-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const path = join(dir, 'mailpassd.service')
  // The program has to be there to be verified.
  await writeFile(path, unit.replace('/opt/mailpassd/mailpassd', join(ROOT, 'mailpassd')))
  for (const socket of SOCKETS) await writeFile(join(dir, socket), read(`systemd/${socket}`))
  const sockets = SOCKETS.map((socket) => join(dir, socket))
  const verified = await analyze('verify', '--man=no', path, ...sockets)
  t.same(verified, { code: 0, text: '' })
  const security = await analyze('security', '--offline=true', '--threshold=15', path)
  t.equal(security.code, 0, security.text.trim().split('\n').at(-1) ?? '')
})

t.test('passwords of a login stay in memory, and nothing is slipped into Node', async (t) => {
  for (const line of ['UMask=0077', 'LimitCORE=0', 'MemorySwapMax=0', 'NoNewPrivileges=yes'])
    t.ok(unit.includes(`\n${line}\n`), line)
  t.match(unit, /^UnsetEnvironment=.*\bNODE_OPTIONS\b/m)
})

t.test('socket units have the addresses of the shipped configurations', async (t) => {
  const addresses = (socket: string): string[] =>
    [...read(`systemd/${socket}`).matchAll(/^ListenStream=(.*)$/gm)].map(([, address = '']) => address)
  const schema = read('src/config/schema-doors.ts')
  for (const file of ['conf/standalone-sqlite.toml', 'conf/standalone-mariadb.toml']) {
    const toml = read(file)
    const [http = '', sasl = ''] = addresses('mailpassd.socket')
    t.ok(
      !toml.includes('[http]') && schema.includes(`default: ['${http}']`),
      'the HTTP listener is the default',
    )
    t.match(toml, `\nlisten = "${sasl}"`)
    t.match(toml, `#listen = "unix:${addresses('mailpassd-postfix.socket').join()}"`)
  }
  t.match(read('systemd/mailpassd-postfix.socket'), /^SocketMode=0660$/m)
})

t.test('the program has more time to stop than it takes', async (t) => {
  const seconds = Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1])
  const ownMs = Number(/STOP_WITHIN_MS = ([\d_]+)/.exec(read('src/cli/serve.ts'))?.[1]?.replace('_', ''))
  t.ok(seconds * 1000 > ownMs, `${seconds} s, ${ownMs} ms`)
  t.match(read('conf/mailcow/docker-compose.override.yml'), `stop_grace_period: ${seconds}s`)
  t.match(read('docs/installing.md'), `--stop-timeout ${seconds} `)
})

t.test('the sockets for mail servers are where all files say', async (t) => {
  t.match(read('conf/postfix/main.cf.inc'), /^smtpd_sasl_path = mailpassd\/auth$/m)
  for (const file of ['conf/postfix/main.cf.inc', 'docs/postfix.md'])
    t.match(read(file), 'listen = "unix:/var/spool/postfix/mailpassd/auth"', file)
  for (const file of ['conf/standalone-sqlite.toml', 'conf/standalone-mariadb.toml'])
    t.match(read(file), '#listen = "unix:/var/spool/postfix/mailpassd/auth"', file)
  const maps = [...read('conf/postfix/main.cf.inc').matchAll(/socketmap:(\S+):([a-z-]+)/g)]
  t.same(
    [...new Set(maps.map(([, socket, name]) => `${socket} ${name}`))].sort(),
    ['sasl-access', 'sender-login', 'virtual-alias', 'virtual-mailbox', 'virtual-mailbox-domains'].map(
      (name) => `unix:mailpassd/maps ${name}`,
    ),
  )
  for (const file of ['conf/postfix/main.cf.inc', 'docs/postfix.md'])
    t.match(read(file), 'listen = "unix:/var/spool/postfix/mailpassd/maps"', file)
  for (const file of ['conf/standalone-sqlite.toml', 'conf/standalone-mariadb.toml'])
    t.match(read(file), '#listen = "unix:/var/spool/postfix/mailpassd/maps"', file)
  t.match(read('systemd/mailpassd-postfix.socket'), '#ListenStream=/var/spool/postfix/mailpassd/maps')
  for (const file of ['conf/exim/mailpassd.conf.inc', 'docs/exim.md'])
    t.match(read(file), 'listen = "unix:/run/mailpassd/exim.sock"', file)
  t.match(read('systemd/mailpassd.tmpfiles'), '#d /var/spool/postfix/mailpassd 2750 mailpassd postfix')
  t.match(read('systemd/mailpassd.tmpfiles'), '#d /run/mailpassd 2750 mailpassd Debian-exim')
  t.match(unit, /^ReadWritePaths=-\/run\/mailpassd -\/var\/spool\/postfix\/mailpassd$/m)
})

t.test(
  'the image: one user everywhere, the default ports, and nothing copied that is kept out',
  async (t) => {
    const dockerfile = read('Dockerfile')
    const users = new Set(
      [...dockerfile.matchAll(/^USER (\d+):(\d+)$/gm)].flatMap(([, uid, gid]) => [uid, gid]),
    )
    users.delete('0')
    t.equal(users.size, 1)
    const [user] = users
    for (const file of ['conf/mailcow/README.md', 'docs/installing.md'])
      t.match(read(file), `install -d -o root -g ${user} -m 2750 /etc/mailpassd`, file)

    const schema = read('src/config/schema-doors.ts')
    const exposed = /^EXPOSE (.*)$/m.exec(dockerfile)?.[1]?.split(' ') ?? []
    for (const port of exposed) t.match(schema, `127.0.0.1:${port}`)

    const admitted = read('.dockerignore').split('\n')
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, files = '']) =>
      files.split(' '),
    )
    t.ok(copied.length > 0)
    for (const file of copied) t.ok(admitted.includes(`!${file}`) && existsSync(join(ROOT, file)), file)
  },
)

t.test('what documents let sed replace in the Lua file is in it', async (t) => {
  const lua = read('conf/dovecot/mailpassd.lua')
  const replaced = [...read('conf/mailcow/README.md').matchAll(/-e 's#([^#]+)#/g)].map(
    ([, text = '']) => text,
  )
  t.equal(replaced.length, 2)
  for (const text of replaced) t.match(lua, `"${text}"`)
})
