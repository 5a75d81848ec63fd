/**
 * The texts that a login is kept under. A mail program logs in again and again, the same way from the same place: its
 * texts are put together once for an hour and come with their hash, which otherwise is most of what recording costs.
 */
import type { Service } from '../login/service.ts'
import { networkOf } from '../policy/network.ts'
import { own } from './own.ts'

export interface KeyedLogin {
  /** '' for names that have no mailbox. */
  readonly mailbox: string
  readonly remoteIp: string | undefined
  readonly service: Service
  readonly credential: string
  readonly verdict: string
  readonly why: string
}

export interface LoginKeys {
  readonly network: string
  /** What our own log merges by, the hour among it. */
  readonly merged: string
  /** What makes a good login the same as one before: it is no new line then. */
  readonly line: string
  /** The service as mailcow's sasl_log spells it, and what that keeps one row of. */
  readonly saslService: string
  readonly sasl: string
}

/** What a login is merged by, beside its hour. */
export interface MergeKey {
  readonly mailbox: string
  readonly network: string
  readonly service: string
  readonly credential: string
  readonly verdict: string
  readonly why: string
}

interface Remembered extends LoginKeys {
  readonly login: KeyedLogin
  readonly hourMs: number
}

/** Some 600 bytes each. Forgotten all at once when full: they are cheap to make again. */
const MAX_REMEMBERED = 10_000

/** The key of our own log. No part can hold a line feed: mailboxes and credentials are canonical, others from closed lists. */
export function mergedKey(login: MergeKey, hourMs: number): string {
  const { mailbox, network, service, credential, verdict, why } = login
  return `${mailbox}\n${network}\n${service}\n${credential}\n${verdict}\n${why}\n${hourMs}`
}

export function saslKey(service: string, remoteIp: string, mailbox: string): string {
  return `${service}\n${remoteIp}\n${mailbox}`
}

function keysOf(login: KeyedLogin, hourMs: number): LoginKeys {
  const { mailbox, remoteIp, service, credential } = login
  const network = networkOf(remoteIp)
  const spelled = saslService(service, credential)
  return {
    network,
    merged: mergedKey({ ...login, network }, hourMs),
    line: `${mailbox}\n${service}\n${network}\n${credential}`,
    saslService: spelled,
    sasl: saslKey(spelled, remoteIp ?? '', mailbox),
  }
}

/**
 * mailcow's spelling in sasl_log: what its own web part writes is upper case. What SOGo opens with its own password is
 * SOGO there, with a user's NONE.
 */
function saslService(service: Service, credential: string): string {
  switch (service) {
    case 'eas':
    case 'dav':
    case 'none':
    case 'other':
      return service.toUpperCase()
    case 'sogo':
      return credential === 'sogo' ? 'SOGO' : 'NONE'
    case 'imap':
    case 'pop3':
    case 'smtp':
    case 'sieve':
      return service
  }
}

/** Gives the keys of a login in the hour that begins at `hourMs`. Of each mailbox the last good login is remembered. */
export function createLoginKeys(): (login: KeyedLogin, hourMs: number) => LoginKeys {
  const remembered = new Map<string, Remembered>()
  return (login, hourMs) => {
    if (login.verdict !== 'ok') return keysOf(login, hourMs)
    const last = remembered.get(login.mailbox)
    if (last !== undefined && last.hourMs === hourMs && isSame(last.login, login)) return last
    if (remembered.size >= MAX_REMEMBERED) remembered.clear()
    const owned = {
      ...login,
      mailbox: own(login.mailbox),
      remoteIp: login.remoteIp === undefined ? undefined : own(login.remoteIp),
    }
    const keys = { ...keysOf(owned, hourMs), login: owned, hourMs }
    remembered.set(owned.mailbox, keys)
    return keys
  }
}

function isSame(a: KeyedLogin, b: KeyedLogin): boolean {
  return (
    a.remoteIp === b.remoteIp &&
    a.service === b.service &&
    a.credential === b.credential &&
    a.verdict === b.verdict &&
    a.why === b.why
  )
}
