/**
 * A real Dovecot, 2.3 or 2.4, whose own auth cache answers: a Lua passdb that compares with one password, asked once for
 * each user. Its fastest settings that still tell protocols and several passwords of a mailbox apart, as ours does:
 * cache_key %s:%u:%w (mailcow's), a cache that never overflows or expires, no failure delay, no penalty look-ups, no
 * debugging, no log of good logins.
 */
import { stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startChild } from '../../test/servers/child.ts'
import type { DovecotVersion } from '../../test/servers/dovecot.ts'
import { freePort } from '../../test/servers/ports.ts'
import { makeRoot, missing } from '../../test/servers/roots.ts'
import { PASSWORD } from '../people.ts'
import { cpuUsOf } from '../process-cpu.ts'
import type { Teardown } from '../teardown.ts'
import type { Subject } from './subject.ts'

const PROGRAM = '/usr/sbin/dovecot'
const LUA = `
function script_init() return 0 end
function auth_password_verify(request, password)
  if password == "${PASSWORD}" then return dovecot.auth.PASSDB_RESULT_OK, { user = request.user } end
  return dovecot.auth.PASSDB_RESULT_PASSWORD_MISMATCH, "password mismatch"
end
function auth_passdb_lookup()
  return dovecot.auth.PASSDB_RESULT_SCHEME_NOT_AVAILABLE, "no look-up"
end
`
/** 2.4 asks the script itself for the key. */
const LUA_24_KEY = `
function auth_passdb_get_cache_key() return "%{protocol}:%{user}:%{password}" end
`

function rootOf(version: DovecotVersion): 'host' | 'trixie' {
  return version === '2.3' ? 'host' : 'trixie'
}

/** Why this one cannot be measured here, or undefined. */
export function dovecotMissing(version: DovecotVersion): string | undefined {
  const root = rootOf(version)
  return missing(root, PROGRAM) ?? missing(root, '/usr/lib/dovecot/modules/auth/libauthdb_lua.so')
}

/** Beside the passdb the same for any Dovecot whose auth socket is loaded. */
export function authServices(port: number): string {
  return `
service auth {
  client_limit = 20000
  unix_listener auth-client {
    mode = 0666
  }
  inet_listener auth-client {
    port = ${port}
  }
}
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
`
}

function configuration(version: DovecotVersion, dir: string, port: number): string {
  const common = `
base_dir = ${dir}/run
state_dir = ${dir}/state
log_path = ${dir}/log
listen = 127.0.0.1
protocols =
ssl = no
auth_mechanisms = plain login
auth_failure_delay = 0
${authServices(port)}
auth_cache_size = 100 M
auth_cache_ttl = 1 hour
`
  if (version === '2.3') {
    return `${common}
disable_plaintext_auth = no
passdb {
  driver = lua
  args = file=${dir}/passdb.lua blocking=yes cache_key=%s:%u:%w
}
`
  }
  return `dovecot_config_version = 2.4.1
dovecot_storage_version = 2.4.1
${common}
auth_allow_cleartext = yes
passdb lua {
  lua_file = ${dir}/passdb.lua
}
`
}

export async function startCachedDovecot(teardown: Teardown, version: DovecotVersion): Promise<Subject> {
  const root = await makeRoot(rootOf(version))
  teardown.teardown(() => root.remove())
  const port = await freePort()
  await writeFile(join(root.hostDir, 'passdb.lua'), version === '2.3' ? LUA : LUA + LUA_24_KEY)
  await writeFile(join(root.hostDir, 'dovecot.conf'), configuration(version, root.dir, port))
  const child = startChild(...root.command(PROGRAM, '-F', '-c', `${root.dir}/dovecot.conf`))
  teardown.teardown(() => child.stop())
  const socket = join(root.hostDir, 'run/auth-client')
  await child.until(() =>
    stat(socket).then(
      () => true,
      () => false,
    ),
  )
  return {
    name: `Dovecot ${version}, cached`,
    unix: `unix:${socket}`,
    tcp: `127.0.0.1:${port}`,
    // `auth` is both the process that answers and its workers.
    cpuUs: () => cpuUsOf(child.pid, 'auth'),
  }
}
