/** Rules over listeners and networks: who can reach a door, and whether two want the same address. */
import { resolve } from 'node:path'
import type { Config } from './schema.ts'
import { collide, isLoopback, parseListen, parseNetwork, type Listen } from './listen.ts'
import { describeGot } from './problem.ts'
import type { Findings } from './findings.ts'

/** sun_path of unix(7) less its final NUL byte. */
const MAX_UNIX_PATH_BYTES = 107

interface Listener {
  readonly key: string
  readonly listen: Listen
}

function checkNetworks(key: string, networks: readonly string[], findings: Findings): void {
  for (const [index, text] of networks.entries()) {
    const network = parseNetwork(text)
    const at = `${key}[${index}]`
    if (network === undefined)
      findings.problem(
        at,
        `expected a network such as 192.0.2.0/24 or 2001:db8::/64, got ${describeGot('', text)}`,
      )
    else if (network.prefix === 0) findings.warn(at, `${text} is the whole Internet`)
  }
}

function checkMode(key: string, mode: string, findings: Findings): void {
  if (!mode.endsWith('0')) findings.warn(key, `${mode} lets every user of this machine try passwords`)
}

/**
 * Parses every listener; findings: malformed ones, SASL beyond loopback without networks, socketmap beyond
 * it at all, one address twice.
 */
export function checkListeners(config: Config, dataDir: string, findings: Findings): void {
  const listeners: Listener[] = []
  const add = (key: string, text: string): Listen | undefined => {
    const parsed = parseListen(text)
    if (parsed === undefined) {
      findings.problem(
        key,
        `expected host:port, [v6 address]:port or unix:path, got ${describeGot('', text)}`,
      )
      return undefined
    }
    const listen = parsed.kind === 'unix' ? { ...parsed, path: resolve(dataDir, parsed.path) } : parsed
    if (listen.kind === 'unix' && Buffer.byteLength(listen.path) > MAX_UNIX_PATH_BYTES)
      findings.problem(
        key,
        `${listen.path} is longer than the ${MAX_UNIX_PATH_BYTES} bytes of a UNIX socket's path`,
      )
    const same = listeners.find((other) => collide(other.listen, listen))
    if (same !== undefined) findings.problem(key, `${text} is taken by ${same.key}`)
    listeners.push({ key, listen })
    return listen
  }

  for (const [index, text] of config.http.listen.entries()) {
    const key = `http.listen[${index}]`
    const listen = add(key, text)
    if (listen?.kind === 'tcp' && !isLoopback(listen.host))
      findings.warn(key, `${text} is not loopback: passwords cross the network unencrypted`)
  }
  checkMode('http.socket_mode', config.http.socket_mode, findings)

  for (const [index, { listen: text, networks, mode }] of config.sasl.listeners.entries()) {
    const key = `sasl.listeners[${index}]`
    const listen = add(`${key}.listen`, text)
    checkNetworks(`${key}.networks`, networks, findings)
    if (listen?.kind === 'unix') checkMode(`${key}.mode`, mode, findings)
    if (listen?.kind !== 'tcp' || isLoopback(listen.host)) continue
    if (networks.length === 0)
      findings.problem(
        `${key}.networks`,
        `expected the networks that may connect, since ${text} is not loopback and the protocol has no client authentication; got an empty list`,
      )
    findings.warn(`${key}.listen`, `${text} is not loopback: passwords cross the network unencrypted`)
  }

  for (const [index, { listen: text, mode }] of config.socketmap.listeners.entries()) {
    const key = `socketmap.listeners[${index}]`
    const listen = add(`${key}.listen`, text)
    if (listen?.kind === 'unix' && !mode.endsWith('0'))
      findings.warn(`${key}.mode`, `${mode} lets every user of this machine ask which addresses there are`)
    if (listen?.kind === 'tcp' && !isLoopback(listen.host))
      findings.problem(
        `${key}.listen`,
        `expected a UNIX socket or loopback, since the protocol has no client authentication, got ${describeGot('', text)}`,
      )
  }

  for (const [index, text] of config.admin.listen.entries()) {
    const key = `admin.listen[${index}]`
    const listen = add(key, text)
    if (listen?.kind === 'tcp' && !isLoopback(listen.host))
      findings.warn(key, `${text} is not loopback: tokens cross the network unencrypted`)
  }

  checkCompat(config.compat, findings)
  checkNetworks('policy.shared_sources', config.policy.shared_sources, findings)
}

/** Who may ask by `POST /`, and who may claim there to be SOGo: `real_rip` is whatever the caller says. */
function checkCompat(compat: Config['compat'], findings: Findings): void {
  checkNetworks('compat.networks', compat.networks, findings)
  checkNetworks('compat.sogo_networks', compat.sogo_networks, findings)
  const { sogo_networks: sogo, sogo_password_file: file } = compat
  if (file !== undefined && sogo.length === 0)
    findings.warn('compat.sogo_password_file', 'unused, because compat.sogo_networks is empty')
  if (sogo.length > 0 && compat.networks.length > 0)
    findings.warn(
      'compat.networks',
      'whoever is in these networks can claim to be SOGo without a token, and skip protocol checks; with compat.sogo_networks leave them empty and give the caller a token',
    )
}
