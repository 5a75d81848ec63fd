/** Puts every secret of the configuration into its place: directory, store, Redis, tokens, Dovecots, webhook. */
import type { Config } from './schema.ts'
import type { Findings } from './findings.ts'
import { exposure, findSecret, type SecretPlaces, type SecretSource } from './secret-source.ts'

/** A key that may be absent: exactOptionalPropertyTypes wants it left out, not undefined. */
function optional<K extends string>(key: K, value: string | undefined): { [P in K]?: string } {
  const part: { [P in K]?: string } = {}
  if (value !== undefined) part[key] = value
  return part
}

/**
 * The configuration with its secrets in `directory.client_secret`, `directory.snapshot_key`, `store.password`,
 * `redis.password`, `tokens[].secret`, `dovecot.endpoints[].api_key` and `alarm.webhook_secret`.
 * What cannot be had is a finding; a secret written into a file that others may read is one, too.
 */
export async function resolveSecrets(
  config: Config,
  file: { readonly path: string; readonly mode: number; readonly gid: number },
  places: SecretPlaces,
  findings: Findings,
): Promise<Config> {
  const exposed = exposure(file.path, file)
  const find = async (source: SecretSource): Promise<string | undefined> => {
    if (source.value !== undefined && exposed !== undefined)
      findings.problem(source.key, `is written in a file that is open to others: ${exposed}`)
    const found = await findSecret(source, places)
    if ('problem' in found) {
      findings.problem(found.problem.key, found.problem.text)
      return undefined
    }
    return found.secret
  }

  const { directory, store, redis } = config
  const clientSecret = await find({
    key: 'directory.client_secret',
    value: directory.client_secret,
    file: directory.client_secret_file,
    env: directory.client_secret_env,
    credential: 'client_secret',
  })
  const snapshotKey = await find({
    key: 'directory.snapshot_key',
    value: directory.snapshot_key,
    file: directory.snapshot_key_file,
    env: directory.snapshot_key_env,
    credential: 'snapshot_key',
  })
  const password = await find({
    key: 'store.password',
    value: store.password,
    file: store.password_file,
    env: store.password_env,
    credential: 'store_password',
  })
  const redisPassword = await find({
    key: 'redis.password',
    value: redis.password,
    file: redis.password_file,
    env: redis.password_env,
    credential: 'redis_password',
  })
  const { alarm } = config
  const webhookSecret = await find({
    key: 'alarm.webhook_secret',
    value: alarm.webhook_secret,
    file: alarm.webhook_secret_file,
    env: alarm.webhook_secret_env,
    credential: 'webhook_secret',
  })
  const tokens: Config['tokens'] = []
  for (const [index, token] of config.tokens.entries()) {
    const secret = await find({
      key: `tokens[${index}].secret`,
      value: token.secret,
      file: token.secret_file,
      env: token.secret_env,
      credential: `token_${token.name}`,
    })
    tokens.push({ ...token, ...optional('secret', secret) })
  }
  const endpoints: Config['dovecot']['endpoints'] = []
  for (const [index, endpoint] of config.dovecot.endpoints.entries()) {
    const apiKey = await find({
      key: `dovecot.endpoints[${index}].api_key`,
      value: endpoint.api_key,
      file: endpoint.api_key_file,
      env: endpoint.api_key_env,
      credential: `doveadm_${endpoint.name}`,
    })
    endpoints.push({ ...endpoint, ...optional('api_key', apiKey) })
  }
  return {
    ...config,
    dovecot: { ...config.dovecot, endpoints },
    directory: {
      ...directory,
      ...optional('client_secret', clientSecret),
      ...optional('snapshot_key', snapshotKey),
    },
    store: { ...store, ...optional('password', password) },
    redis: { ...redis, ...optional('password', redisPassword) },
    tokens,
    alarm: { ...alarm, ...optional('webhook_secret', webhookSecret) },
  }
}
