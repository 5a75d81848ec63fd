/** Rules of the section `alarm`: a URL that can be posted to, and keys that would do nothing. */
import type { Config } from './schema.ts'
import type { Findings } from './findings.ts'
import { isLoopback } from './listen.ts'
import { describeGot } from './problem.ts'

/** As tokens. */
const MIN_SECRET_CHARACTERS = 20

const NEEDING_A_URL = [
  'webhook_secret',
  'webhook_secret_file',
  'webhook_secret_env',
  'webhook_ca_file',
] as const

export function checkAlarm({ alarm }: Config, findings: Findings): void {
  const { webhook_url: url, webhook_secret: secret, webhook_ca_file: caFile } = alarm
  if (url === undefined) {
    for (const name of NEEDING_A_URL)
      if (alarm[name] !== undefined)
        findings.warn(`alarm.${name}`, 'unused, because alarm.webhook_url is not given')
    return
  }
  checkUrl(url, findings)
  if (secret !== undefined && secret.length < MIN_SECRET_CHARACTERS)
    findings.problem(
      'alarm.webhook_secret',
      `expected text of at least ${MIN_SECRET_CHARACTERS} characters, got ${describeGot('secret', secret)}`,
    )
  if (secret === undefined && !findings.problems.some(({ key }) => key.startsWith('alarm.webhook_secret')))
    findings.warn(
      'alarm.webhook_url',
      'without webhook_secret_file nothing is signed: whoever knows the URL can send alarms there, too',
    )
  if (caFile !== undefined && !/^https:/i.test(url))
    findings.warn('alarm.webhook_ca_file', 'unused, because the URL is not https')
}

/** Its path and query may hold a token, and are not shown. */
function checkUrl(url: string, findings: Findings): void {
  const key = 'alarm.webhook_url'
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) {
    findings.problem(key, 'expected a URL such as https://alerts.example.org/mailpassd')
    return
  }
  const { protocol, hostname, username, password, hash, origin } = new URL(url)
  if (username !== '' || password !== '')
    findings.problem(key, 'expected a URL without user name and password; what is sent is signed')
  if (hash !== '') findings.problem(key, 'expected a URL without #')
  if (protocol === 'http:' && !isLoopback(hostname.replace(/^\[|\]$/g, '')))
    findings.warn(
      key,
      `${origin} is not encrypted: whoever is on the path reads addresses of users and clients`,
    )
}
