/** Certificates for tests, made by openssl: an authority, and servers' own by it, valid from and to when a test says. */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface Issued {
  /** PEM files. */
  readonly certFile: string
  readonly keyFile: string
  readonly cert: string
  readonly key: string
}

export interface Validity {
  /** Default: yesterday. */
  readonly from?: Date
  /** Default: in 300 days. */
  readonly to?: Date
}

const DAY_MS = 86_400_000

/** Undefined, with a reason, where openssl is not installed. */
export async function opensslMissing(): Promise<string | undefined> {
  return run('openssl', ['version']).then(
    () => undefined,
    () => 'no openssl',
  )
}

/** `2026-01-02T03:04:05.678Z` as openssl takes it. */
function stamp(date: Date): string {
  return `${date.toISOString().slice(0, 19).replaceAll(/[-:T]/g, '')}Z`
}

/** Signs a new key's request: by itself, or by `by`. */
async function issue(
  dir: string,
  wish: Validity & {
    readonly commonName: string
    readonly by?: Issued
    readonly isAuthority?: boolean
    readonly names?: string
  },
): Promise<Issued> {
  const work = join(dir, randomBytes(6).toString('hex'))
  await mkdir(work)
  const at = (name: string) => join(work, name)
  await writeFile(at('index'), '')
  const extensions = [
    `basicConstraints = critical, CA:${wish.isAuthority === true ? 'TRUE' : 'FALSE'}`,
    ...(wish.names === undefined ? [] : [`subjectAltName = ${wish.names}`]),
  ]
  await writeFile(
    at('config'),
    `[ca]\ndefault_ca = own\n[own]\ndatabase = ${at('index')}\nnew_certs_dir = ${work}\nrand_serial = yes
default_md = sha256\npolicy = any\nx509_extensions = extensions\n[any]\ncommonName = supplied\n[req]
distinguished_name = none\n[none]\n[extensions]\n${extensions.join('\n')}\n`,
  )
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', at('key.pem')]
  const request = ['-config', at('config'), '-subj', `/CN=${wish.commonName}`, '-out', at('request.pem')]
  await run('openssl', ['req', '-new', '-batch', ...key, ...request])
  const from = wish.from ?? new Date(Date.now() - DAY_MS)
  const to = wish.to ?? new Date(Date.now() + 300 * DAY_MS)
  const signer =
    wish.by === undefined
      ? ['-selfsign', '-keyfile', at('key.pem')]
      : ['-keyfile', wish.by.keyFile, '-cert', wish.by.certFile]
  const dates = ['-startdate', stamp(from), '-enddate', stamp(to)]
  const files = ['-config', at('config'), '-in', at('request.pem'), '-out', at('cert.pem')]
  await run('openssl', ['ca', '-batch', '-notext', ...signer, ...dates, ...files])
  return {
    certFile: at('cert.pem'),
    keyFile: at('key.pem'),
    cert: await readFile(at('cert.pem'), 'utf8'),
    key: await readFile(at('key.pem'), 'utf8'),
  }
}

/** A certificate that signs others, for 400 days. Everything is below `dir`, which the test removes. */
export function makeAuthority(dir: string, commonName: string, validity: Validity = {}): Promise<Issued> {
  const to = new Date(Date.now() + 400 * DAY_MS)
  return issue(dir, { to, ...validity, commonName, isAuthority: true })
}

/** A server's certificate; `names` as openssl writes them (`IP:127.0.0.1, DNS:localhost`). Without `by` self-signed. */
export function makeCertificate(
  dir: string,
  wish: Validity & { readonly commonName: string; readonly names: string; readonly by?: Issued },
): Promise<Issued> {
  return issue(dir, wish)
}
