/** An alarm as the log and a webhook tell it. docs/alarms.md is its reference. */
import { randomUUID } from 'node:crypto'
import type { LoginAlarm } from '../policy/alarm-rules.ts'

export const ALARM_KINDS = ['guessed_login', 'new_networks', 'test'] as const
export type AlarmKind = (typeof ALARM_KINDS)[number]

/** The body of the POST: JSON, 8 KiB at most. */
export interface AlarmBody {
  readonly event: 'alarm'
  /** The same for every try to tell it. */
  readonly id: string
  readonly alarm: AlarmKind
  /** ISO 8601, UTC. */
  readonly time: string
  /** For people; one line. */
  readonly text: string
  readonly mailbox?: string
  readonly service?: string
  readonly network?: string
  readonly remote_ip?: string
  readonly credential?: string
  readonly guesses?: { readonly pair: number; readonly mailbox: number; readonly network: number }
  readonly networks?: readonly string[]
}

/** Networks that a body lists; of more than that the last. */
const MAX_NETWORKS = 50

/** `atMs`: wall clock. */
export function alarmBody(alarm: LoginAlarm, atMs: number): AlarmBody {
  const { kind, mailbox, service, network, remoteIp, credential } = alarm
  return {
    event: 'alarm',
    id: randomUUID(),
    alarm: kind,
    time: new Date(atMs).toISOString(),
    text: textOf(alarm),
    mailbox,
    service,
    network,
    ...(remoteIp === undefined ? {} : { remote_ip: remoteIp }),
    ...(credential === undefined ? {} : { credential }),
    ...(alarm.kind === 'guessed_login'
      ? { guesses: alarm.guesses }
      : { networks: alarm.networks.slice(-MAX_NETWORKS) }),
  }
}

/** What `mailpassd alarm test` sends. */
export function testBody(atMs: number): AlarmBody {
  return {
    event: 'alarm',
    id: randomUUID(),
    alarm: 'test',
    time: new Date(atMs).toISOString(),
    text: 'A test by mailpassd alarm test. Nothing happened.',
  }
}

function textOf(alarm: LoginAlarm): string {
  const { mailbox, service, network } = alarm
  switch (alarm.kind) {
    case 'guessed_login': {
      const { pair, mailbox: at, network: from } = alarm.guesses
      return `${mailbox} was opened over ${service} from ${network}, where nobody used it in 30 days, after wrong passwords within an hour: ${pair} from there for it, ${at} for it from elsewhere new, ${from} from there in all.`
    }
    case 'new_networks':
      return `${mailbox} sent from ${alarm.networks.length} new networks within an hour, the last ${network}: its password may be in use by others.`
  }
}
