/** Rules over several keys, checked after the schema and after secrets are in their place. */
import { isLoopback } from './listen.ts'
import type { Config, DirectoryConfig } from './schema.ts'
import { checkAlarm } from './check-alarm.ts'
import { checkDovecot } from './check-dovecot.ts'
import { checkListeners } from './check-listeners.ts'
import { checkMailcow, checkRedis } from './check-mailcow.ts'
import type { Findings } from './findings.ts'
import { describeGot } from './problem.ts'

/** Tokens shorter than this could be guessed; the schema says the same of those written in the file. */
const MIN_TOKEN_CHARACTERS = 20

function checkServerUrl(url: string, findings: Findings): void {
  const key = 'directory.server_url'
  if (!URL.canParse(url) || !/^https?:\/\//i.test(url)) {
    findings.problem(key, `expected a URL such as https://id.example.org, got ${describeGot('', url)}`)
    return
  }
  const { protocol, hostname, username, password, search, hash } = new URL(url)
  if (username !== '' || password !== '')
    findings.problem(
      key,
      'expected a URL without user name and password; the client secret has a key of its own',
    )
  if (search !== '' || hash !== '') findings.problem(key, 'expected a URL without ? and #')
  if (protocol === 'http:' && !isLoopback(hostname.replace(/^\[|\]$/g, '')))
    findings.warn(
      key,
      `${describeGot('', url)} is not encrypted: whoever is on the path reads the client secret and every hash`,
    )
}

function checkKeycloak(directory: DirectoryConfig, findings: Findings): void {
  const needed = [
    ['server_url', 'the base URL of Keycloak'],
    ['realm', 'the name of the realm'],
    ['client_id', 'the client with a service account'],
  ] as const
  for (const [name, what] of needed) {
    const value = directory[name]
    if (value === undefined || value === '')
      findings.problem(`directory.${name}`, `expected ${what}, got ${describeGot('', value)}`)
  }
  if (
    directory.client_secret === undefined &&
    !findings.problems.some(({ key }) => key.startsWith('directory.client_secret'))
  )
    findings.problem(
      'directory.client_secret',
      'expected the client secret, by client_secret_file, client_secret_env or the systemd credential client_secret; got nothing',
    )
}

const KEYCLOAK_ONLY = ['server_url', 'realm', 'client_id', 'client_secret_file', 'client_secret_env'] as const

function checkDirectory(directory: DirectoryConfig, findings: Findings): void {
  const { server_url: url, tls, mappings } = directory
  if (url !== undefined && url !== '') checkServerUrl(url, findings)
  if (directory.kind === 'keycloak') checkKeycloak(directory, findings)
  else
    for (const name of KEYCLOAK_ONLY)
      if (directory[name] !== undefined)
        findings.warn(`directory.${name}`, 'unused, because directory.kind is "realm-file"')

  if (directory.kind !== 'keycloak' && directory.events === 'on')
    findings.warn('directory.events', 'unused, because directory.kind is "realm-file"')
  if (directory.events === 'on' && directory.events_seconds === 0)
    findings.problem('directory.events_seconds', 'expected 1 to 60 with directory.events = "on", got 0')

  if (tls.insecure)
    findings.warn(
      'directory.tls.insecure',
      'certificates are NOT checked: whoever is on the path reads the client secret and every hash',
    )
  if (tls.insecure && tls.ca_file !== undefined)
    findings.warn('directory.tls.ca_file', 'unused, because directory.tls.insecure is on')

  const key = directory.snapshot_key
  // As mirror/record-key.ts reads it.
  if (key !== undefined && !/^(?:[0-9a-fA-F]{64}|[A-Za-z0-9+/_-]{43}=?)$/.test(key))
    findings.problem(
      'directory.snapshot_key',
      `expected 32 bytes in hex or base64 (openssl rand -hex 32), got ${describeGot('secret', key)}`,
    )

  const seen = new Map<string, string>()
  for (const [index, { attribute, template }] of mappings.entries()) {
    const key = `directory.mappings[${index}]`
    if (template === '') findings.problem(`${key}.template`, 'expected the name of a template, got ""')
    const earlier = seen.get(attribute)
    if (earlier !== undefined)
      findings.problem(`${key}.attribute`, `${describeGot('', attribute)} is mapped by ${earlier} already`)
    seen.set(attribute, earlier ?? key)
  }
  if (directory.default_template === '')
    findings.problem('directory.default_template', 'expected the name of a template, got ""')
  if (directory.password_attribute === directory.template_attribute)
    findings.problem('directory.template_attribute', 'is the password attribute too')
  if (directory.trust_user_attributes)
    findings.warn(
      'directory.trust_user_attributes',
      'users who may edit their attributes choose their own template',
    )
}

function checkStore(config: Config, findings: Findings): void {
  const { store } = config
  if (store.kind !== 'sqlite') return
  for (const name of ['socket', 'password_file', 'password_env'] as const)
    if (store[name] !== undefined) findings.warn(`store.${name}`, 'unused, because store.kind is "sqlite"')
}

function checkTokens(config: Config, findings: Findings): void {
  const names = new Map<string, string>()
  const secrets = new Map<string, string>()
  for (const [index, { name, secret }] of config.tokens.entries()) {
    const key = `tokens[${index}]`
    const sameName = names.get(name)
    if (sameName !== undefined)
      findings.problem(`${key}.name`, `${describeGot('', name)} is the name of ${sameName} too`)
    names.set(name, sameName ?? key)

    if (secret === undefined) {
      if (!findings.problems.some((problem) => problem.key.startsWith(`${key}.secret`)))
        findings.problem(
          `${key}.secret`,
          `expected a token, by secret_file, secret_env or the systemd credential token_${name}; got nothing`,
        )
      continue
    }
    if (secret.length < MIN_TOKEN_CHARACTERS)
      findings.problem(
        `${key}.secret`,
        `expected text of at least ${MIN_TOKEN_CHARACTERS} characters, got ${describeGot('secret', secret)}`,
      )
    const sameSecret = secrets.get(secret)
    if (sameSecret !== undefined) findings.problem(`${key}.secret`, `is the secret of ${sameSecret} too`)
    secrets.set(secret, sameSecret ?? key)
  }
}

function checkUserDb(config: Config, findings: Findings): void {
  const { home, mail } = config.userdb
  // Two mailboxes must never share a place.
  const isTemplate = (text: string) => text.includes('%n') && text.includes('%d') && !/%[^dn]/.test(text)
  if (home !== undefined && !(home.startsWith('/') && isTemplate(home)))
    findings.problem('userdb.home', `expected an absolute path with %d and %n, got ${describeGot('', home)}`)
  if (mail !== undefined && !(/^[a-z]+:[/~]/.test(mail) && (mail.includes(':~') || isTemplate(mail))))
    findings.problem(
      'userdb.mail',
      `expected a mail location such as maildir:/var/vmail/%d/%n/Maildir, got ${describeGot('', mail)}`,
    )
}

/** Everything that the schema cannot say, all at once. `findings` may hold problems of secrets already. */
export function checkRules(config: Config, dataDir: string, findings: Findings): void {
  checkDirectory(config.directory, findings)
  checkStore(config, findings)
  checkMailcow(config, findings)
  checkRedis(config, findings)
  checkListeners(config, dataDir, findings)
  checkTokens(config, findings)
  checkUserDb(config, findings)
  checkDovecot(config, findings)
  checkAlarm(config, findings)
}
