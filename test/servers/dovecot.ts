/**
 * A real Dovecot, 2.3 from the host or 2.4 from the trixie chroot, with IMAP, POP3, ManageSieve and LMTP on free
 * loopback ports and the files of conf/dovecot as shipped: only URL and paths in them are replaced, and passwords
 * without TLS allowed.
 */
import { chmod, chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startChild } from './child.ts'
import { accepts, freePorts } from './ports.ts'
import { makeRoot, missing } from './roots.ts'

export type DovecotVersion = '2.3' | '2.4'

export interface Dovecot {
  /** Of its master process. */
  readonly pid: number
  readonly version: DovecotVersion
  readonly ports: {
    readonly imap: number
    readonly pop3: number
    readonly sieve: number
    readonly lmtp: number
  }
  /** Directory as the server sees it, and as the test does. */
  readonly dir: string
  readonly hostDir: string
  readonly log: () => string
  /** Command line of a program of the same root, such as doveadm with this server's configuration. */
  readonly doveadm: (...args: string[]) => [string, string[]]
  readonly stop: () => Promise<void>
}

const SHIPPED = join(import.meta.dirname, '../../conf/dovecot')
const PROGRAM = '/usr/sbin/dovecot'

function rootOf(version: DovecotVersion): 'host' | 'trixie' {
  return version === '2.3' ? 'host' : 'trixie'
}

/** Why this Dovecot cannot be started here, or undefined. */
export function dovecotMissing(version: DovecotVersion): string | undefined {
  return (
    missing(rootOf(version), PROGRAM) ??
    missing(rootOf(version), '/usr/lib/dovecot/lmtp') ??
    missing(rootOf(version), '/usr/lib/dovecot/managesieve')
  )
}

interface Ports {
  imap: number
  pop3: number
  sieve: number
  lmtp: number
}

function common(dir: string, ports: Ports): string {
  const none = (name: string): string => `inet_listener ${name} {\n port = 0\n }`
  return `
base_dir = ${dir}/run
state_dir = ${dir}/state
log_path = /dev/stderr
listen = 127.0.0.1
ssl = no
default_internal_user = dovecot
default_login_user = dovenull
!include ${dir}/mailpassd.conf.inc
# What differs from the shipped file: no TLS on loopback, and no growing penalty for the one address of all tests.
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service imap-login {
  inet_listener imap {
    port = ${ports.imap}
  }
  ${none('imaps')}
}
service pop3-login {
  inet_listener pop3 {
    port = ${ports.pop3}
  }
  ${none('pop3s')}
}
service managesieve-login {
  inet_listener sieve {
    port = ${ports.sieve}
  }
}
service lmtp {
  inet_listener lmtp {
    port = ${ports.lmtp}
  }
}
`
}

function configuration(version: DovecotVersion, dir: string, ports: Ports): string {
  if (version === '2.3') {
    return `protocols = imap pop3 sieve lmtp
${common(dir, ports)}
disable_plaintext_auth = no
`
  }
  return `dovecot_config_version = 2.4.1
dovecot_storage_version = 2.4.1
protocols = imap pop3 sieve lmtp
${common(dir, ports)}
auth_allow_cleartext = yes
sieve_script personal {
  driver = file
  path = ~/sieve
  active_path = ~/.dovecot.sieve
}
`
}

/**
 * Starts Dovecot against a mailpassd at `url` (http://127.0.0.1:port) with this token.
 * Ready when it accepts IMAP. Throws with its log when it does not get so far.
 */
export async function startDovecot(options: {
  readonly version: DovecotVersion
  readonly url: string
  readonly token: string
  /** Where the userdb says that mail is, in this server's root: made for uid 5000, removed at the end. */
  readonly mailDir?: string
  /** Listens for doveadm over HTTP on 127.0.0.1, as the shipped file has it. */
  readonly doveadm?: { readonly port: number; readonly apiKey: string }
  /** Asks /policy at `url` with the token, as the shipped file has it. */
  readonly policy?: boolean
  /** Whose certificates its HTTP client trusts, where `url` is https; 2.3 only. */
  readonly caFile?: string | undefined
  /** In place of the shipped passdb; `{dir}` is the server's directory. */
  readonly passdb?: string
}): Promise<Dovecot> {
  const { version } = options
  const root = await makeRoot(rootOf(version))
  const [imap = 0, pop3 = 0, sieve = 0, lmtp = 0] = await freePorts(4)
  const ports = { imap, pop3, sieve, lmtp }
  const local = (text: string): string =>
    text.replaceAll('/etc/dovecot/', `${root.dir}/`).replaceAll('http://127.0.0.1:8143', options.url)
  const shipped = async (name: string): Promise<string> => local(await readFile(join(SHIPPED, name), 'utf8'))

  await writeFile(join(root.hostDir, 'mailpassd.lua'), await shipped('mailpassd.lua'))
  const { passdb } = options
  const ours = await shipped(`dovecot-${version}.conf.inc`)
  await writeFile(
    join(root.hostDir, 'mailpassd.conf.inc'),
    passdb === undefined ? ours : ours.replace(/^passdb [^]*?\n\}\n/m, passdb.replaceAll('{dir}', root.dir)),
  )
  await writeFile(join(root.hostDir, 'mailpassd.token'), `${options.token}\n`)
  await chmod(join(root.hostDir, 'mailpassd.token'), 0o600)
  let more = options.caFile === undefined ? '' : `ssl_client_ca_file = ${options.caFile}\n`
  if (options.doveadm !== undefined) {
    const { port, apiKey } = options.doveadm
    const listener = await shipped(`doveadm-${version}.conf.inc`)
    await writeFile(join(root.hostDir, 'doveadm.conf.inc'), listener.replace('port = 8180', `port = ${port}`))
    await writeFile(join(root.hostDir, 'doveadm-key.conf.inc'), `doveadm_api_key = ${apiKey}\n`, {
      mode: 0o600,
    })
    more += `!include ${root.dir}/doveadm.conf.inc\n`
  }
  if (options.policy === true) {
    await writeFile(join(root.hostDir, 'policy.conf.inc'), await shipped(`policy-${version}.conf.inc`))
    await writeFile(
      join(root.hostDir, 'mailpassd-policy.conf.inc'),
      `auth_policy_server_api_header = Authorization: Bearer ${options.token}\nauth_policy_hash_nonce = nonce of the tests\n`,
      { mode: 0o600 },
    )
    more += `!include ${root.dir}/policy.conf.inc\n`
  }
  await writeFile(join(root.hostDir, 'dovecot.conf'), configuration(version, root.dir, ports) + more)

  const child = startChild(...root.command(PROGRAM, '-F', '-c', `${root.dir}/dovecot.conf`))
  const mail = options.mailDir === undefined ? undefined : root.root + options.mailDir
  if (mail !== undefined) {
    await mkdir(mail, { recursive: true })
    await chown(mail, 5000, 5000)
  }
  const stop = async (): Promise<void> => {
    await child.stop()
    if (mail !== undefined) await rm(mail, { recursive: true, force: true })
    await root.remove()
  }
  try {
    await child.until(() => accepts(imap))
  } catch (error) {
    await stop()
    throw error
  }
  return {
    pid: child.pid,
    version,
    ports,
    dir: root.dir,
    hostDir: root.hostDir,
    log: child.output,
    doveadm: (...args) => root.command('/usr/bin/doveadm', '-c', `${root.dir}/dovecot.conf`, ...args),
    stop,
  }
}
