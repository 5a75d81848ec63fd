/** What `mailpassd serve` takes on its command line, put over the configuration. */
import type { Config, SaslListenerConfig } from './schema.ts'

/** Each is `host:port`, or absent to leave the configuration as it is. */
export interface ServeOptions {
  readonly http?: string | undefined
  readonly sasl?: string | undefined
  readonly admin?: string | undefined
}

const isUnix = (listen: string) => listen.startsWith('unix:')

function replaceTcp(listen: readonly string[], tcp: string | undefined): string[] {
  return tcp === undefined ? [...listen] : [tcp, ...listen.filter(isUnix)]
}

function replaceSasl(
  listeners: readonly SaslListenerConfig[],
  tcp: string | undefined,
): SaslListenerConfig[] {
  if (tcp === undefined) return [...listeners]
  const former = listeners.find(({ listen }) => !isUnix(listen))
  const listener = former ?? { temp_fail: 'close' as const, mode: '0660', networks: [] }
  return [{ ...listener, listen: tcp }, ...listeners.filter(({ listen }) => isUnix(listen))]
}

/** The configuration with each named door's TCP listeners replaced by one; UNIX sockets stay. */
export function applyServeOptions(config: Config, options: ServeOptions): Config {
  return {
    ...config,
    http: { ...config.http, listen: replaceTcp(config.http.listen, options.http) },
    sasl: { ...config.sasl, listeners: replaceSasl(config.sasl.listeners, options.sasl) },
    admin: { ...config.admin, listen: replaceTcp(config.admin.listen, options.admin) },
  }
}
