/** One run of the load client (load/client.c), and what it measured. */
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { isRecord } from '../test/e2e/json.ts'

const run = promisify(execFile)

/** Who tries to log in, with which password, from where. */
export interface Credential {
  readonly username: string
  readonly password: string
  readonly remoteIp: string
}

export interface LoadWish {
  readonly connections?: number
  /** Requests in flight on each connection. */
  readonly depth?: number
  /** For so long, or until so many were answered. */
  readonly seconds?: number
  readonly logins?: number
  /** Begun a second, whether others were answered or not. */
  readonly rate?: number
  /** A file for every single answer. */
  readonly samples?: string
}

export interface LoadFigures {
  readonly answers: number
  readonly ok: number
  readonly fail: number
  readonly tempFail: number
  readonly closed: number
  readonly perSecond: number
  readonly p50Us: number
  readonly p99Us: number
  readonly clientCpuUs: number
}

/** The client reads them from a file: one line each, in the order in which they are used. */
export async function writeCredentials(path: string, credentials: readonly Credential[]): Promise<string> {
  const lines = credentials.map(
    ({ username, password, remoteIp }) => `${username}\t${password}\t${remoteIp}\n`,
  )
  await writeFile(path, lines.join(''), { mode: 0o600 })
  return path
}

function options(wish: LoadWish): string[] {
  const given = {
    c: wish.connections,
    d: wish.depth,
    s: wish.seconds,
    n: wish.logins,
    r: wish.rate,
    o: wish.samples,
  }
  return Object.entries(given).flatMap(([name, value]) =>
    value === undefined ? [] : [`-${name}`, String(value)],
  )
}

function parse(text: string): LoadFigures {
  const found: unknown = JSON.parse(text)
  const number = (name: string): number => {
    const value = isRecord(found) ? found[name] : undefined
    if (typeof value !== 'number') throw new Error(`the load client did not say ${name}`)
    return value
  }
  return {
    answers: number('answers'),
    ok: number('ok'),
    fail: number('fail'),
    tempFail: number('temp_fail'),
    closed: number('closed'),
    perSecond: number('answers') / number('seconds'),
    p50Us: number('p50_us'),
    p99Us: number('p99_us'),
    clientCpuUs: number('client_cpu_us'),
  }
}

/** Runs the client; `signal` ends it early, and then there are no figures. Rejects with what it complained of. */
export async function runLoad(
  client: string,
  address: string,
  credentialsFile: string,
  wish: LoadWish,
  signal?: AbortSignal,
): Promise<LoadFigures> {
  const { stdout } = await run(
    client,
    [...options(wish), address, credentialsFile],
    signal === undefined ? {} : { signal },
  )
  return parse(stdout)
}
