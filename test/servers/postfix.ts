/**
 * A real Postfix, 3.7 from the host or 3.10 from the trixie chroot, with the files of conf/postfix: submission over
 * mailpassd's UNIX socket and over its TCP one, a port 25 of its own kind, and delivery by LMTP.
 * Made first, so that mailpassd can bind its socket inside the queue directory, started afterwards.
 */
import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startChild, type Child } from './child.ts'
import { accepts, freePorts } from './ports.ts'
import { makeRoot, missing } from './roots.ts'

export type PostfixVersion = '3.7' | '3.10'

export interface Postfix {
  readonly version: PostfixVersion
  /** Where mailpassd is to listen (a path of the host) before `start`; the directory gives the socket its group. */
  readonly saslSocket: string
  readonly mapSocket: string
  readonly ports: { readonly unix: number; readonly tcp: number; readonly smtp: number }
  /** `smtpd_sasl_service` -> port of a submission service with it, over the UNIX socket. */
  readonly services: ReadonlyMap<string, number>
  readonly start: (options: PostfixStart) => Promise<void>
  readonly log: () => string
  readonly stop: () => Promise<void>
}

export interface PostfixStart {
  readonly saslPort: number
  readonly lmtpPort: number
}

const SHIPPED = join(import.meta.dirname, '../../conf/postfix')

function rootOf(version: PostfixVersion): 'host' | 'trixie' {
  return version === '3.7' ? 'host' : 'trixie'
}

/** Why this Postfix cannot be started here, or undefined. */
export function postfixMissing(version: PostfixVersion): string | undefined {
  return missing(rootOf(version), '/usr/sbin/postfix')
}

function mainCf(dir: string, shipped: string, start: PostfixStart): string {
  const ours = shipped
    .replace(/^smtpd_tls_auth_only = yes$/m, 'smtpd_tls_auth_only = no')
    .replace(/^(virtual_transport) = .*$/m, `$1 = lmtp:inet:127.0.0.1:${start.lmtpPort}`)
  return `${ours}
compatibility_level = 3.6
queue_directory = ${dir}/queue
data_directory = ${dir}/data
maillog_file = ${dir}/mail.log
maillog_file_prefixes = ${dir}
myhostname = mx.mailpassd.test
mydestination =
mynetworks =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
local_recipient_maps =
local_transport = error:there are no local users
smtputf8_enable = no
lmtp_host_lookup = native
# Beside TLS and the place of LMTP, what differs from the shipped lines: no limits for the one address of all tests.
smtpd_client_event_limit_exceptions = 127.0.0.1
smtpd_hard_error_limit = 1000
smtpd_junk_command_limit = 1000
smtpd_peername_lookup = no
smtpd_error_sleep_time = 0
# Tests speak for clients of other addresses.
smtpd_authorized_xclient_hosts = 127.0.0.1
`
}

/** What asks the maps runs in the chroot, as on Debian. */
const SERVICES = `
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - y - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
rewrite   unix  - - y - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
lmtp      unix  - - n - - lmtp
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
`

/** The shipped services on our ports: the two submissions become one over each of mailpassd's sockets. */
function masterCf(
  shipped: string,
  { ports, services }: Pick<Postfix, 'ports' | 'services'>,
  saslPort: number,
): string {
  const submission = shipped
    .slice(shipped.indexOf('\nsubmission ') + 1, shipped.indexOf('\nsubmissions '))
    .replace('smtpd_tls_security_level=encrypt', 'smtpd_tls_security_level=none')
  const on = (port: number): string => submission.replace(/^submission inet /, `127.0.0.1:${port} inet `)
  return `127.0.0.1:${ports.smtp} inet n - y - - smtpd
${on(ports.unix)}
${on(ports.tcp)}
  -o smtpd_sasl_path=inet:127.0.0.1:${saslPort}
${[...services].map(([service, port]) => named(on(port), service)).join('\n')}
${SERVICES}`
}

/** A submission service whose logins are for this service; `` leaves it to Postfix. */
function named(submission: string, service: string): string {
  const line = '  -o smtpd_sasl_service=submission\n'
  return submission.replace(line, service === '' ? '' : line.replace('=submission', `=${service}`))
}

/** `start-fg` is a shell: ended itself, it would leave master running, with our pipes open. */
async function end(child: Child | undefined, pidFile: string): Promise<void> {
  if (child === undefined) return
  const master = existsSync(pidFile) ? Number(await readFile(pidFile, 'latin1')) : 0
  if (master > 0 && existsSync(`/proc/${master}`)) {
    process.kill(master, 'SIGTERM')
    await child.ended
  } else {
    await child.stop()
  }
}

/** A Postfix with its directories, not yet started. `saslServices`: see `services`; '' is Postfix's own default. */
export async function makePostfix(
  version: PostfixVersion,
  saslServices: readonly string[] = [],
): Promise<Postfix> {
  const root = await makeRoot(rootOf(version))
  const [unix = 0, tcp = 0, smtp = 0, ...others] = await freePorts(3 + saslServices.length)
  const ports = { unix, tcp, smtp }
  const services = new Map(saslServices.map((service, index) => [service, others[index] ?? 0]))
  const [program, args] = root.command(
    '/bin/sh',
    '-c',
    `cd ${root.dir} && mkdir -p etc queue/private queue/mailpassd data && chown root queue &&
      chown postfix queue/private data && chmod 0700 queue/private &&
      chgrp postfix queue/mailpassd && chmod 2750 queue/mailpassd`,
  )
  await promisify(execFile)(program, args)

  let child: Child | undefined
  const logFile = join(root.hostDir, 'mail.log')
  const start = async (options: PostfixStart): Promise<void> => {
    const main = await readFile(join(SHIPPED, 'main.cf.inc'), 'utf8')
    const master = await readFile(join(SHIPPED, 'master.cf.inc'), 'utf8')
    await writeFile(join(root.hostDir, 'etc/main.cf'), mainCf(root.dir, main, options))
    await writeFile(
      join(root.hostDir, 'etc/master.cf'),
      masterCf(master, { ports, services }, options.saslPort),
    )
    child = startChild(...root.command('/usr/sbin/postfix', '-c', `${root.dir}/etc`, 'start-fg'))
    await child.until(() => accepts(smtp))
  }
  return {
    version,
    ports,
    services,
    saslSocket: join(root.hostDir, 'queue/mailpassd/auth'),
    mapSocket: join(root.hostDir, 'queue/mailpassd/maps'),
    start,
    log: () => `${child?.output() ?? ''}${existsSync(logFile) ? readFileSync(logFile, 'latin1') : ''}`,
    stop: async () => {
      await end(child, join(root.hostDir, 'queue/pid/master.pid'))
      await root.remove()
    },
  }
}
