/**
 * From a TOML file to the frozen configuration: text, syntax, schema, secrets, paths, rules. What is wrong is
 * collected and told at once. Without a file the defaults count: SQLite, a realm file, loopback listeners.
 */
import { open } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { parse, TomlError } from 'smol-toml'
import { MailpassdError } from '../errors.ts'
import type { Config } from './schema.ts'
import { checkRules } from './check-rules.ts'
import { Findings } from './findings.ts'
import { chooseDataDir, dataDirWarning, makeDataDir } from './data-dir.ts'
import { applyServeOptions, type ServeOptions } from './overrides.ts'
import { formatProblem, type Problem } from './problem.ts'
import { resolveSecrets } from './resolve-secrets.ts'
import { validate } from './validate.ts'

const MAX_FILE_BYTES = 1024 * 1024

export interface LoadOptions {
  /** The configuration file; absent: the embedded default. */
  readonly path?: string | undefined
  readonly dataDir?: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  readonly overrides?: ServeOptions | undefined
  /** Makes the data directory where it is absent (the default); off where a command only looks. */
  readonly makeDataDir?: boolean | undefined
}

export interface LoadedConfig {
  /** Deeply frozen; defaults filled in, secrets in their place, files of the configuration absolute. */
  readonly config: Config
  /** Absolute. */
  readonly dataDir: string
  /** The file's absolute path, or `embedded default`. */
  readonly source: string
  /** `section.key: …`, to be logged by whoever loaded it. */
  readonly warnings: readonly string[]
}

/** What examining found: usable when there are no problems. */
export interface ExaminedConfig {
  readonly source: string
  readonly dataDir: string
  readonly config: Config | undefined
  readonly problems: readonly Problem[]
  readonly warnings: readonly Problem[]
}

interface ConfigFile {
  readonly text: string
  readonly mode: number
  readonly gid: number
}

function unreadable(path: string, cause: unknown): MailpassdError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown error'
  const hint = code === 'ENOENT' ? 'is not there' : `cannot be read (${code})`
  return new MailpassdError('config_unreadable', `configuration file ${path} ${hint}`, { cause })
}

async function readConfigFile(path: string): Promise<ConfigFile | Problem> {
  try {
    const file = await open(path, 'r')
    try {
      const { mode, gid, size } = await file.stat()
      if (size > MAX_FILE_BYTES) return { key: '', text: `longer than ${MAX_FILE_BYTES} bytes` }
      const bytes = await file.readFile()
      return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes), mode, gid }
    } finally {
      await file.close()
    }
  } catch (error) {
    if (error instanceof TypeError) return { key: '', text: 'not UTF-8 text' }
    throw unreadable(path, error)
  }
}

function parseToml(text: string): { readonly parsed: unknown } | { readonly problem: Problem } {
  try {
    return { parsed: parse(text, { unsafeKeyBehaviour: 'throw', maxDepth: 16 }) }
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    // Only its first line: the rest quotes the file, which may hold secrets.
    const what = (error.message.split('\n')[0] ?? '').replace(/^Invalid TOML document: /, '')
    return { problem: { key: '', text: `line ${error.line}, column ${error.column}: ${what}` } }
  }
}

/** Files that the configuration names, relative to the configuration file, made absolute. */
function resolvePaths(config: Config, baseDir: string): Config {
  const { directory, compat, dovecot, alarm } = config
  const { ca_file: caFile } = directory.tls
  const { sogo_password_file: sogoFile } = compat
  const { webhook_ca_file: alarmCaFile } = alarm
  return {
    ...config,
    ...(caFile === undefined
      ? {}
      : { directory: { ...directory, tls: { ...directory.tls, ca_file: resolve(baseDir, caFile) } } }),
    ...(sogoFile === undefined
      ? {}
      : { compat: { ...compat, sogo_password_file: resolve(baseDir, sogoFile) } }),
    ...(alarmCaFile === undefined
      ? {}
      : { alarm: { ...alarm, webhook_ca_file: resolve(baseDir, alarmCaFile) } }),
    dovecot: {
      endpoints: dovecot.endpoints.map(({ ca_file: file, ...endpoint }) =>
        file === undefined ? endpoint : { ...endpoint, ca_file: resolve(baseDir, file) },
      ),
    },
  }
}

/** The default that depends on another key. */
function fillDependent(config: Config): Config {
  const allowWeak = config.password.allow_weak ?? config.store.schema === 'mailcow'
  return { ...config, password: { ...config.password, allow_weak: allowWeak } }
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const inner of Object.values(value)) deepFreeze(inner)
  return Object.freeze(value)
}

/** Whether one of the keys is this one, in it, or around it: what the schema said of it needs no second word. */
function overlaps(key: string, told: readonly string[]): boolean {
  const within = (inner: string, outer: string) =>
    inner === outer || inner.startsWith(`${outer}.`) || inner.startsWith(`${outer}[`)
  return told.some((other) => within(key, other) || within(other, key))
}

/**
 * Reads and checks a configuration and gives all that is wrong as values, for `mailpassd check`.
 * Throws MailpassdError config_unreadable when the file itself cannot be read.
 */
export async function examineConfig(options: LoadOptions): Promise<ExaminedConfig> {
  const source = options.path === undefined ? 'embedded default' : resolve(options.path)
  const dataDir = chooseDataDir(options)
  const bad = (problems: readonly Problem[]): ExaminedConfig => ({
    source,
    dataDir,
    config: undefined,
    problems,
    warnings: [],
  })

  const file = options.path === undefined ? { text: '', mode: 0, gid: 0 } : await readConfigFile(source)
  if (!('mode' in file)) return bad([file])
  const toml = parseToml(file.text)
  if ('problem' in toml) return bad([toml.problem])
  const validated = validate(toml.parsed)
  if (validated.value === undefined) return bad(validated.problems)

  const findings = new Findings()
  const baseDir = options.path === undefined ? dataDir : dirname(source)
  const withSecrets = await resolveSecrets(
    validated.value,
    { path: source, ...file },
    { baseDir, env: options.env },
    findings,
  )
  const config = fillDependent(resolvePaths(applyServeOptions(withSecrets, options.overrides ?? {}), baseDir))
  checkRules(config, dataDir, findings)
  const told = validated.problems.map(({ key }) => key)
  const problems = [...validated.problems, ...findings.problems.filter(({ key }) => !overlaps(key, told))]

  if (problems.length === 0 && options.makeDataDir !== false) {
    const problem = await makeDataDir(dataDir)
    if (problem !== undefined) problems.push(problem)
  }
  const warning = await dataDirWarning(dataDir)
  if (warning !== undefined) findings.warn('', warning)
  const { warnings } = findings
  return {
    source,
    dataDir,
    config: problems.length === 0 ? deepFreeze(config) : undefined,
    problems,
    warnings,
  }
}

/**
 * The configuration that the daemon and every command run with.
 * Throws MailpassdError config_invalid with all problems in its message, a line each, and config_unreadable.
 */
export async function loadConfig(options: LoadOptions): Promise<LoadedConfig> {
  const { source, dataDir, config, problems, warnings } = await examineConfig(options)
  if (config === undefined) {
    const lines = problems.map((problem) => `\n  ${formatProblem(problem)}`)
    throw new MailpassdError(
      'config_invalid',
      `configuration ${source} has ${lines.length === 1 ? 'a problem' : `${lines.length} problems`}:${lines.join('')}`,
    )
  }
  return { config, dataDir, source, warnings: warnings.map(formatProblem) }
}
