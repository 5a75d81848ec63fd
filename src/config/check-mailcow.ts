/** Rules of the sections `mailcow` and `redis`: addresses that can be dialled, and keys that would do nothing. */
import { isLoopback, parseListen } from './listen.ts'
import type { Config } from './schema.ts'
import type { Findings } from './findings.ts'
import { describeGot } from './problem.ts'

/** SOGo and its cache belong to mailcow's schema. */
export function checkMailcow({ mailcow, store }: Config, findings: Findings): void {
  const { memcached } = mailcow
  if (memcached === undefined) return
  const key = 'mailcow.memcached'
  const parsed = parseListen(memcached)
  if (parsed?.kind !== 'tcp' || parsed.port === 0)
    findings.problem(key, `expected host:port or [v6 address]:port, got ${describeGot('', memcached)}`)
  if (store.schema !== 'mailcow') findings.warn(key, 'unused, because store.schema is "standalone"')
  else if (!mailcow.sogo) findings.warn(key, 'unused, because mailcow.sogo is off')
}

const NEEDING_A_PLACE = ['user', 'password', 'password_file', 'password_env'] as const

/** A Redis has a place, and its password does not cross a network that others read. */
export function checkRedis({ redis }: Config, findings: Findings): void {
  const { host, socket } = redis
  if (host === undefined && socket === undefined) {
    for (const name of NEEDING_A_PLACE)
      if (redis[name] !== undefined)
        findings.warn(`redis.${name}`, 'unused, because neither redis.host nor redis.socket is given')
    return
  }
  if (host !== undefined && socket !== undefined)
    findings.warn('redis.host', 'unused, because redis.socket is given')
  if (socket !== undefined && !socket.startsWith('/'))
    findings.problem('redis.socket', `expected an absolute path, got ${describeGot('', socket)}`)
  if (host !== undefined && socket === undefined && !isLoopback(host) && redis.password !== undefined)
    findings.warn(
      'redis.host',
      `${describeGot('', host)} is not loopback: the password crosses the network unencrypted`,
    )
}
