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
import { bindServer, formatAddress, isLoopback, parseListen, type BoundBefore } from '../sockets.ts'
import { Connection, type ConnectionHost } from './connection.ts'
import { allowNetworks } from './networks.ts'
import { formatHandshake } from './reply.ts'
import type { SessionOptions } from './session.ts'
import { SWEEP_MS, Timetable } from '../timetable.ts'

/** Dovecot's OUTBUF_THROTTLE_SIZE: a client that has this much of ours to read is not read from. */
const MAX_PENDING_OUTPUT_BYTES = 50 * 1024
const KEEPALIVE_AFTER_MS = 60_000
/** At the end a connection that came this moment may still say what it wants. */
const FIRST_WORD_MS = 50
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
  /**
   * Stops accepting, ends idle connections at once (new ones 50 ms later) and others when their requests are answered; after `graceMs` all
   * that are left. Resolves when none is.
   */
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
  const timetable = new Timetable(clock.monotonicMs())
  const options: SessionOptions = {
    tempFail: listener.temp_fail,
    failureDelayMs: sasl.failure_delay_ms,
    maxPending: sasl.max_pending,
    timetable,
  }
  const connections = new Set<Connection>()
  let lastId = 0

  let isSweeping = false
  const sweep = (): void => {
    isSweeping = false
    timetable.sweep(clock.monotonicMs())
    host.armSweep()
  }
  let toFlush: Connection[] = []
  const flushAll = (): void => {
    const now = toFlush
    toFlush = []
    for (const connection of now) connection.flush()
  }
  const host: ConnectionHost = {
    clock,
    logger,
    login: dependencies.login,
    recordRefused: dependencies.recordRefused ?? (() => {}),
    flushLater(connection) {
      if (toFlush.length === 0) setImmediate(flushAll)
      toFlush.push(connection)
    },
    armSweep() {
      if (isSweeping || timetable.isEmpty) return
      isSweeping = true
      clock.after(SWEEP_MS, sweep)
    },
    forget: (connection) => connections.delete(connection),
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
    close(graceMs) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const cancel = clock.after(graceMs, () => {
        for (const connection of connections) connection.destroy()
      })
      server.close(() => {
        cancel()
        resolve()
      })
      const silent = [...connections].filter(({ isSilent }) => isSilent)
      for (const connection of connections) if (!connection.isSilent) connection.drain()
      // Where systemd holds the socket, nobody else would answer these.
      if (silent.length > 0)
        clock.after(FIRST_WORD_MS, () => {
          for (const connection of silent) connection.drain()
        })
      return promise
    },
  }
}
