/**
 * A real Exim 4.96 from its chroot, with the authenticators of conf/exim over mailpassd's UNIX socket on one port and
 * over its TCP one on another, and delivery by LMTP. Made first and started afterwards, as Postfix is.
 */
import { existsSync, readFileSync } from 'node:fs'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startChild, type Child } from './child.ts'
import { accepts, freePorts } from './ports.ts'
import { makeRoot, missing } from './roots.ts'

export interface Exim {
  /** Where mailpassd is to listen (a path of the host, mode 0666) before `start`. */
  readonly saslSocket: string
  readonly ports: { readonly unix: number; readonly tcp: number }
  readonly start: (options: EximStart) => Promise<void>
  readonly log: () => string
  readonly stop: () => Promise<void>
}

export interface EximStart {
  readonly saslPort: number
  readonly lmtpPort: number
  readonly domains: readonly string[]
}

const SHIPPED = join(import.meta.dirname, '../../conf/exim/mailpassd.conf.inc')
const PROGRAM = '/usr/sbin/exim4'

/** Why Exim cannot be started here, or undefined. */
export function eximMissing(): string | undefined {
  return missing('exim', PROGRAM)
}

function configuration(dir: string, port: number, authenticators: string, start: EximStart): string {
  return `primary_hostname = exim.mailpassd.test
spool_directory = ${dir}/spool
keep_environment =
notifier_socket =
log_file_path = ${dir}/log/%slog
pid_file_path = ${dir}/exim-${port}.pid
daemon_smtp_ports = ${port}
local_interfaces = 127.0.0.1
host_lookup =
rfc1413_query_timeout = 0s
tls_advertise_hosts =
# What differs from the shipped advice: passwords without TLS on loopback.
auth_advertise_hosts = *
acl_smtp_rcpt = check_rcpt
begin acl
check_rcpt:
  accept authenticated = *
  deny message = log in first
begin routers
lmtp:
  driver = manualroute
  domains = ${start.domains.join(' : ')}
  transport = lmtp
  route_list = * 127.0.0.1
  self = send
begin transports
lmtp:
  driver = smtp
  protocol = lmtp
  port = ${start.lmtpPort}
  allow_localhost
begin retry
* * F,1h,1m
begin authenticators
${authenticators}
`
}

/** An Exim with its directories, not yet started. */
export async function makeExim(): Promise<Exim> {
  const root = await makeRoot('exim')
  const [unix = 0, tcp = 0] = await freePorts(2)
  for (const name of ['spool', 'log']) {
    await mkdir(join(root.hostDir, name))
    // Exim drops root before it writes either.
    await chmod(join(root.hostDir, name), 0o777)
  }
  const children: Child[] = []
  const start = async (options: EximStart): Promise<void> => {
    const shipped = await readFile(SHIPPED, 'utf8')
    const sockets: [number, string][] = [
      [unix, `${root.dir}/auth.sock`],
      [tcp, `127.0.0.1 ${options.saslPort}`],
    ]
    for (const [port, socket] of sockets) {
      const file = `exim-${port}.conf`
      const authenticators = shipped.replaceAll(
        'server_socket = /run/mailpassd/exim.sock',
        `server_socket = ${socket}`,
      )
      await writeFile(join(root.hostDir, file), configuration(root.dir, port, authenticators, options))
      const child = startChild(...root.command(PROGRAM, '-C', `${root.dir}/${file}`, '-bdf', '-q1m'))
      children.push(child)
      await child.until(() => accepts(port))
    }
  }
  return {
    ports: { unix, tcp },
    saslSocket: join(root.hostDir, 'auth.sock'),
    start,
    log: () => {
      const files = ['main', 'reject', 'panic'].map((name) => join(root.hostDir, 'log', `${name}log`))
      return files.map((file) => (existsSync(file) ? readFileSync(file, 'latin1') : '')).join('')
    },
    stop: async () => {
      await Promise.all(children.map((child) => child.stop()))
      await root.remove()
    },
  }
}
