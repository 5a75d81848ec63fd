/** The doors as the daemon tells of them: where they listen, and how many are connected. */
import type { SaslListener } from './dovecot-auth/socket.ts'
import type { HttpListener } from './http/listen.ts'
import type { SocketmapListener } from './socketmap/socket.ts'

export interface Listeners {
  /** The auth door, then the admin door. */
  readonly http: readonly HttpListener[]
  readonly sasl: readonly SaslListener[]
  readonly socketmap: readonly SocketmapListener[]
}

/** One entry for each listener of the mail server's doors, and one for each HTTP door. */
export function describeListeners({ http: [auth, admin], sasl, socketmap }: Listeners) {
  const byAddress = (door: string) => (listener: SaslListener | SocketmapListener) => ({
    door,
    addresses: [listener.address],
    connections: listener.connections,
  })
  const byApp = (door: string, listener: HttpListener | undefined) =>
    listener === undefined ? [] : [{ door, addresses: listener.addresses, connections: listener.connections }]
  return [
    ...byApp('http', auth),
    ...sasl.map(byAddress('sasl')),
    ...socketmap.map(byAddress('socketmap')),
    ...byApp('admin', admin),
  ]
}
