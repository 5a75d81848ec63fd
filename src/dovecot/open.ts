/** The Dovecots of the configuration: those that are reached from here, and whose sessions end with a lock. */
import type { Config, DovecotEndpointConfig } from '../config/schema.ts'
import { DOVECOT_PREFIX, dovecotConsumer, type SessionEnding } from '../outbox/end-sessions.ts'
import type { Consumer } from '../outbox/work.ts'
import { Secret } from '../secret.ts'
import { doveadmCommand } from './command.ts'
import type { Doveadm } from './doveadm.ts'
import { createEndSessions, type EndSessionsParts } from './end-sessions.ts'
import { doveadmHttp } from './http.ts'

/** What other nodes know of a change after this at the latest (design §3), and then a login has 8 s to be answered. */
const CHANGE_WITHIN_MS = 2000
const ANSWER_WITHIN_MS = 8000
/** From the answer to the session that Dovecot begins with it. */
const BEGIN_WITHIN_MS = 2000
/** Sessions end within 2 s, also where a Dovecot that was down has just come back. */
const LOOK_EVERY_MS = 1000

/** All Dovecots, also those that another node reaches. */
export function sessionEnding({ dovecot, store }: Pick<Config, 'dovecot' | 'store'>): SessionEnding {
  const knownWithinMs = Math.max(CHANGE_WITHIN_MS, store.fresh_seconds * 1000)
  return {
    dovecots: dovecot.endpoints.map(({ name }) => name),
    againAfterMs: knownWithinMs + ANSWER_WITHIN_MS + BEGIN_WITHIN_MS,
  }
}

/** Whether a consumer is a Dovecot that the configuration does not have any more. */
export function isFormerDovecot(consumer: string, { dovecot }: Pick<Config, 'dovecot'>): boolean {
  return (
    consumer.startsWith(DOVECOT_PREFIX) &&
    !dovecot.endpoints.some(({ name }) => dovecotConsumer(name) === consumer)
  )
}

/** The outbox's consumers: one for each Dovecot with a url or a command. Throws config_unreadable, config_invalid. */
export function openDovecots(
  { dovecot }: Pick<Config, 'dovecot'>,
  parts: Pick<EndSessionsParts, 'isWanted' | 'logger'>,
): readonly Consumer[] {
  return dovecot.endpoints.flatMap((endpoint) => {
    const doveadm = reach(endpoint)
    if (doveadm === undefined) return []
    const consume = createEndSessions({ doveadm, flushesAuthCache: endpoint.flush_auth_cache, ...parts })
    return [{ consumer: dovecotConsumer(endpoint.name), consume, limits: { everyMs: LOOK_EVERY_MS } }]
  })
}

/** Those that this node reaches, to try whether they answer. Throws config_unreadable, config_invalid. */
export function reachedDovecots({ dovecot }: Pick<Config, 'dovecot'>): readonly Doveadm[] {
  return dovecot.endpoints.map(reach).filter((doveadm) => doveadm !== undefined)
}

/** Undefined where another node does it. */
function reach(endpoint: DovecotEndpointConfig): Doveadm | undefined {
  const { name, url, command, timeout_ms: timeoutMs } = endpoint
  if (command !== undefined) return doveadmCommand({ name, command, timeoutMs })
  if (url === undefined) return undefined
  const apiKey = Secret.fromText(endpoint.api_key ?? '')
  return doveadmHttp({ name, url, apiKey, caFile: endpoint.ca_file, timeoutMs })
}
