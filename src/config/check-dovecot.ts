/** Rules of the section `dovecot`: each endpoint is reached in one way, and nothing on that way reads names as code. */
import { basename } from 'node:path'
import type { Config, DovecotEndpointConfig } from './schema.ts'
import type { Findings } from './findings.ts'
import { isLoopback } from './listen.ts'
import { describeGot } from './problem.ts'

/** They hand a mailbox's name on as text that a shell reads, and names may hold quotes and semicolons. */
const SHELLS = new Set([
  'sh',
  'bash',
  'dash',
  'ash',
  'zsh',
  'ksh',
  'csh',
  'tcsh',
  'fish',
  'busybox',
  'ssh',
  'su',
])

function checkUrl(key: string, url: string, findings: Findings): void {
  const parsed = /^https?:\/\//i.test(url) && URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined) {
    findings.problem(key, `expected a URL such as http://127.0.0.1:8180, got ${describeGot('', url)}`)
    return
  }
  const { protocol, hostname, username, password, search, hash, pathname } = parsed
  if (username !== '' || password !== '')
    findings.problem(key, 'expected a URL without user name and password; the API key has a key of its own')
  if (search !== '' || hash !== '') findings.problem(key, 'expected a URL without ? and #')
  if (pathname !== '/' && pathname !== '/doveadm/v1')
    findings.problem(key, 'expected a URL without a path; /doveadm/v1 is added')
  if (protocol === 'http:' && !isLoopback(hostname.replace(/^\[|\]$/g, '')))
    findings.warn(
      key,
      `${describeGot('', url)} is not encrypted: whoever is on the path reads the API key, which can do everything to every mailbox`,
    )
}

function checkCommand(key: string, command: readonly string[], findings: Findings): void {
  for (const [index, text] of command.entries())
    if (text.includes('\0')) findings.problem(`${key}[${index}]`, 'expected text without NUL bytes')
  const shell = command.map((text) => basename(text)).find((name) => SHELLS.has(name))
  if (shell !== undefined)
    findings.problem(
      key,
      `expected a program that takes its arguments as they are; ${shell} gives them to a shell, to which a mailbox's name can be a command (for another machine use url)`,
    )
}

function checkEndpoint(key: string, endpoint: DovecotEndpointConfig, findings: Findings): void {
  const { url, command, api_key: apiKey, ca_file: caFile } = endpoint
  if (url !== undefined && command !== undefined)
    findings.problem(`${key}.command`, 'expected one of url and command, got both')
  if (command !== undefined) checkCommand(`${key}.command`, command, findings)
  if (url === undefined) {
    for (const name of ['api_key', 'api_key_file', 'api_key_env', 'ca_file'] as const)
      if (endpoint[name] !== undefined) findings.warn(`${key}.${name}`, 'unused, because there is no url')
    return
  }
  checkUrl(`${key}.url`, url, findings)
  if (apiKey === undefined && !findings.problems.some((problem) => problem.key.startsWith(`${key}.api_key`)))
    findings.problem(
      `${key}.api_key`,
      `expected Dovecot's doveadm_api_key, by api_key_file, api_key_env or the systemd credential doveadm_${endpoint.name}; got nothing`,
    )
  if (caFile !== undefined && !/^https:/i.test(url))
    findings.warn(`${key}.ca_file`, 'unused, because the url is not https')
}

export function checkDovecot({ dovecot }: Config, findings: Findings): void {
  const names = new Map<string, string>()
  for (const [index, endpoint] of dovecot.endpoints.entries()) {
    const key = `dovecot.endpoints[${index}]`
    const same = names.get(endpoint.name)
    if (same !== undefined)
      findings.problem(`${key}.name`, `${describeGot('', endpoint.name)} is the name of ${same} too`)
    names.set(endpoint.name, same ?? key)
    checkEndpoint(key, endpoint, findings)
  }
}
