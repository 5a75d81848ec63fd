/** The client's half of Dovecot's auth protocol, as tests need it. */
import { escapeTabs } from '../../../src/door/dovecot-auth/tab-escape.ts'

/** What clients send first; `minor` 0 is Postfix and Exim, 2 Dovecot 2.3. */
export function hello(minor = 2): string {
  return `VERSION\t1\t${minor}\nCPID\t4711\n`
}

/** Base64 of latin1 text. */
export function base64(text: string): string {
  return Buffer.from(text, 'latin1').toString('base64')
}

export function plainMessage(user: string, password: string, authzid = ''): string {
  return base64(`${authzid}\0${user}\0${password}`)
}

/** An AUTH line; `response` is base64, `parameters` are escaped here. */
export function auth(
  id: number,
  mechanism: string,
  response?: string,
  parameters: readonly string[] = ['service=smtp'],
): string {
  const fields = [...parameters.map(escapeTabs), ...(response === undefined ? [] : [`resp=${response}`])]
  return `AUTH\t${id}\t${mechanism}${fields.map((field) => `\t${field}`).join('')}\n`
}

/** A whole PLAIN login in one line. */
export function plainLogin(id: number, user: string, password: string): string {
  return auth(id, 'PLAIN', plainMessage(user, password))
}

export function cont(id: number, response: string): string {
  return `CONT\t${id}\t${response}\n`
}

/** What follows a server's line, or undefined where it is none of the protocol. */
export interface ServerLine {
  readonly kind: 'OK' | 'FAIL' | 'CONT'
  readonly id: number
  readonly fields: readonly string[]
}

export function parseServerLine(line: string): ServerLine | undefined {
  const [kind, id, ...fields] = line.split('\t')
  if (kind !== 'OK' && kind !== 'FAIL' && kind !== 'CONT') return undefined
  return id !== undefined && /^[0-9]+$/.test(id) ? { kind, id: Number(id), fields } : undefined
}
