/**
 * Dovecot 2.3 whose Lua asks mailpassd over HTTP: as we ship it, with connections that are kept; and in the way of
 * mailcow, whose Lua makes a TLS connection for each login. Neither has a cache of its own.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TOKEN } from '../../test/e2e/daemon.ts'
import { makeAuthority, makeCertificate } from '../../test/servers/certificates.ts'
import { startChild } from '../../test/servers/child.ts'
import { startDovecot } from '../../test/servers/dovecot.ts'
import { MAILPASSD } from '../../test/e2e/daemon.ts'
import { cpuUsOf } from '../process-cpu.ts'
import type { Teardown } from '../teardown.ts'
import type { Subject } from './subject.ts'

interface Front {
  readonly url: string
  readonly caFile: string
  readonly cpuUs: () => number
}

/** TLS before the daemon's HTTP door (tls-front.ts), in a process of its own. */
async function startFront(teardown: Teardown, url: string): Promise<Front> {
  const dir = await mkdtemp(join(tmpdir(), 'mailpassd-bench-'))
  teardown.teardown(() => rm(dir, { recursive: true, force: true }))
  const authority = await makeAuthority(dir, 'bench')
  const { keyFile, certFile } = await makeCertificate(dir, {
    commonName: 'localhost',
    names: 'IP:127.0.0.1',
    by: authority,
  })
  const child = startChild(MAILPASSD, [keyFile, certFile, url], {
    env: { MAILPASSD_ENTRY: 'bench/tls-front.ts' },
  })
  teardown.teardown(() => child.stop())
  const port = () => /ready (\d+)/.exec(child.output())?.[1]
  await child.until(() => port() !== undefined)
  return { url: `https://127.0.0.1:${port()}`, caFile: authority.certFile, cpuUs: () => cpuUsOf(child.pid) }
}

/** Dovecot with the files of conf/dovecot. */
async function startLuaDovecot(
  teardown: Teardown,
  name: string,
  place: { readonly url: string; readonly caFile?: string },
  cpuUs: () => number,
): Promise<Subject> {
  const dovecot = await startDovecot({ version: '2.3', token: TOKEN, url: place.url, caFile: place.caFile })
  teardown.teardown(() => dovecot.stop())
  const unix = `unix:${join(dovecot.hostDir, 'run/auth-client')}`
  return { name, unix, tcp: unix, cpuUs: () => cpuUsOf(dovecot.pid, 'auth') + cpuUs() }
}

/** CPU is Dovecot's and the daemon's together. */
export function startKept(teardown: Teardown, daemon: { url: string; pid: number }): Promise<Subject> {
  return startLuaDovecot(teardown, 'kept', { url: daemon.url }, () => cpuUsOf(daemon.pid))
}

/** CPU is Dovecot's, the daemon's and that of what ends TLS. */
export async function startAnew(teardown: Teardown, daemon: { url: string; pid: number }): Promise<Subject> {
  const front = await startFront(teardown, daemon.url)
  return startLuaDovecot(
    teardown,
    'anew',
    { url: front.url, caFile: front.caFile },
    () => cpuUsOf(daemon.pid) + front.cpuUs(),
  )
}
