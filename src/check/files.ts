/** Steps over files: the data directory, the authorities' certificates, SOGo's password. */
import { X509Certificate } from 'node:crypto'
import { access, constants, readFile, stat } from 'node:fs/promises'
import type { Config } from '../config/schema.ts'
import { readSogoPassword } from '../mailcow/sogo-password.ts'
import { failed, ok, warning, type Step } from './step.ts'

const MAX_CA_BYTES = 4 * 1024 * 1024

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
}

/** Whether this user could write there; nothing is written. */
export async function checkDataDir(dataDir: string): Promise<Step> {
  const name = 'data directory'
  try {
    if (!(await stat(dataDir)).isDirectory()) return failed(name, `${dataDir} is not a directory`)
    await access(dataDir, constants.R_OK | constants.W_OK | constants.X_OK)
    return ok(name, dataDir)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return ok(name, `${dataDir} is not there yet; serve makes it`)
    return warning(name, `${dataDir} is not open to the user who runs this check (${codeOf(error)})`)
  }
}

const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** Whether the file of authorities holds certificates, and none that is over. */
export async function checkCaFile(config: Config, nowMs: number): Promise<Step[]> {
  const name = 'directory.tls.ca_file'
  const path = config.directory.tls.ca_file
  if (path === undefined) return []
  try {
    if ((await stat(path)).size > MAX_CA_BYTES)
      return [failed(name, `${path} is longer than ${MAX_CA_BYTES} bytes`)]
    const blocks = (await readFile(path, 'latin1')).match(PEM) ?? []
    if (blocks.length === 0) return [failed(name, `${path} holds no certificate in PEM`)]
    const certificates = blocks.map((block) => new X509Certificate(block))
    const over = certificates.filter(({ validTo }) => Date.parse(validTo) < nowMs)
    const steps = over.map(({ subject, validTo }) =>
      warning(name, `the certificate of ${subject.replaceAll('\n', ', ')} ended on ${validTo}`),
    )
    return [
      ok(
        name,
        `${path}: ${certificates.length === 1 ? 'a certificate' : `${certificates.length} certificates`}`,
      ),
      ...steps,
    ]
  } catch (error) {
    const isParsing = codeOf(error).startsWith('ERR_OSSL')
    return [
      failed(
        name,
        isParsing
          ? `${path} holds a certificate that cannot be parsed`
          : `${path} cannot be read (${codeOf(error)})`,
      ),
    ]
  }
}

/** Whether mailcow's file with SOGo's password can be used; without it the daemon serves, but not SOGo itself. */
export async function checkSogoPassword({ compat }: Config): Promise<Step[]> {
  const name = 'compat.sogo_password_file'
  const path = compat.sogo_password_file
  if (path === undefined || compat.sogo_networks.length === 0) return []
  const found = await readSogoPassword(path)
  if ('fault' in found)
    return [
      warning(
        name,
        `${found.fault}; SOGo's own logins fail for now`,
        'conf/mailcow/README.md says which owner and mode it needs',
      ),
    ]
  found.password.wipe()
  return [ok(name, path)]
}
