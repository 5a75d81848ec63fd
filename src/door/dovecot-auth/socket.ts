/**
 * A listener of Dovecot's auth protocol: for `smtpd_sasl_type = dovecot`, Exim's dovecot driver and others that speak
 * it. Connections, bounds, the sweep and the end; what is said is session.ts's.
 *
 * No idle timeout: Postfix keeps its connection for the life of an smtpd process, and a daemon that closes it costs
 * an SMTP client a 454 on TCP. Dead peers are found by TCP keepalive.
 */
import { randomBytes } from 'node:crypto'
import { createServer, type Socket } from 'node:net'
import type { Clock } from '../../clock.ts'
import type { SaslConfig, SaslListenerConfig } from '../../config/schema.ts'
import { MailpassdError } from '../../errors.ts'
import type { Login } from '../../login/login.ts'
import type { Outcome } from '../../login/outcome.ts'
import type { LoginRequest } from '../../login/request.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { OpenConnections } from '../open-connections.ts'
import { bindServer, formatAddress, isLoopback, parseListen, type BoundBefore } from '../sockets.ts'
import { Connection, type ConnectionHost } from './connection.ts'
import { allowNetworks } from './networks.ts'
import { formatHandshake } from './reply.ts'
import type { SessionOptions } from './session.ts'

/** Dovecot's OUTBUF_THROTTLE_SIZE: a client that has this much of ours to read is not read from. */
const MAX_PENDING_OUTPUT_BYTES = 50 * 1024
const KEEPALIVE_AFTER_MS = 60_000
/** Dropped connections are counted and said at most this often. */
const COMPLAIN_EVERY_MS = 60_000

export interface SaslDependencies {
  readonly login: Login
  /** Told of logins that were refused before login was asked: another authzid, malformed credentials. */
  readonly recordRefused?: (request: LoginRequest, outcome: Outcome) => void
  readonly clock: Clock
  readonly logger: Logger
  /** UNIX paths are relative to it. */
  readonly dataDir: string
  /** Sockets that were there before us. */
  readonly bound?: BoundBefore
}

export interface SaslListener {
  /** As a listen string, with the port that was bound. */
  readonly address: string
  /** Open connections. */
  readonly connections: number
  /** As OpenConnections ends them. Resolves when none is left. */
  close(graceMs: number): Promise<void>
}

/** Starts one listener. Throws config_invalid (address, networks) and listen_failed. */
export async function listenSasl(
  listener: SaslListenerConfig,
  sasl: Pick<SaslConfig, 'failure_delay_ms' | 'max_connections' | 'max_pending'>,
  dependencies: SaslDependencies,
): Promise<SaslListener> {
  const { clock, logger } = dependencies
  const address = parseListen(listener.listen, dependencies.dataDir)
  if (!isLoopback(address) && listener.networks.length === 0) {
    throw new MailpassdError(
      'config_invalid',
      `sasl.listeners: ${listener.listen} is not loopback and the protocol has no client authentication; name the networks that may connect`,
    )
  }
  const isAllowed = allowNetworks(listener.networks)
  const connections = new OpenConnections<Connection>(clock)
  const options: SessionOptions = {
    tempFail: listener.temp_fail,
    failureDelayMs: sasl.failure_delay_ms,
    maxPending: sasl.max_pending,
    timetable: connections.timetable,
  }
  let lastId = 0

  const host: ConnectionHost = {
    clock,
    logger,
    login: dependencies.login,
    recordRefused: dependencies.recordRefused ?? (() => {}),
    flushLater: (connection) => connections.flushLater(connection),
    armSweep: () => connections.armSweep(),
    forget: (connection) => connections.forget(connection),
  }

  let dropped = 0
  let complainedAtMs = -Infinity
  const complain = (reason: string): void => {
    dropped += 1
    if (clock.monotonicMs() - complainedAtMs < COMPLAIN_EVERY_MS) return
    complainedAtMs = clock.monotonicMs()
    logger.warn({ listener: listener.listen, reason, dropped }, 'sasl connections were not accepted')
    dropped = 0
  }
  const accept = (socket: Socket): void => {
    if (address.kind === 'tcp' && !isAllowed(socket.remoteAddress ?? '')) {
      complain('not in networks')
      socket.destroy()
      return
    }
    lastId += 1
    const handshake = formatHandshake(process.pid, lastId, randomBytes(16).toString('hex'))
    connections.add(new Connection(lastId, socket, handshake, options, host))
  }
  // highWaterMark: write() returns false, and `drain` follows, at just the bound.
  const server = createServer(
    {
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEPALIVE_AFTER_MS,
      highWaterMark: MAX_PENDING_OUTPUT_BYTES,
    },
    accept,
  )
  server.maxConnections = sasl.max_connections
  server.on('drop', () => complain('max_connections'))
  await bindServer(server, address, listener.mode, dependencies.bound)
  server.on('error', (error) =>
    logger.error({ listener: listener.listen, err: error }, 'sasl listener failed'),
  )

  return {
    address: formatAddress(address, server.address()),
    get connections() {
      return connections.size
    },
    close: (graceMs) => connections.close(server, graceMs),
  }
}
