/**
 * A listener of Postfix's socketmap protocol (socketmap_table(5)). Connections, bounds, the sweep and the end; what is
 * said is session.ts's.
 *
 * The protocol has no client authentication, and who asks learns which addresses there are: UNIX sockets and loopback
 * only. No idle timeout: Postfix closes a connection 10 s after its last question by itself. Dead peers are found by
 * TCP keepalive.
 */
import { createServer, type Socket } from 'node:net'
import type { MailMaps } from '../../account/maps/lookup.ts'
import type { Clock } from '../../clock.ts'
import type { SocketmapConfig, SocketmapListenerConfig } from '../../config/schema.ts'
import { MailpassdError } from '../../errors.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { OpenConnections } from '../open-connections.ts'
import { bindServer, formatAddress, isLoopback, parseListen, type BoundBefore } from '../sockets.ts'
import { MapConnection, type MapConnectionHost } from './connection.ts'
import type { MapStatus } from './reply.ts'

/** A client that has this much of ours to read is not read from. */
const MAX_PENDING_OUTPUT_BYTES = 50 * 1024
const KEEPALIVE_AFTER_MS = 60_000

export interface SocketmapDependencies {
  readonly maps: MailMaps
  /** Told of every look-up; `map` is one of the maps' names, or `other`. */
  readonly answered: (map: string, status: MapStatus, durationMs: number) => void
  readonly clock: Clock
  /** One that spares its reader repeated warnings: a mail server repeats a wrong question with every mail. */
  readonly logger: Logger
  /** UNIX paths are relative to it. */
  readonly dataDir: string
  readonly bound?: BoundBefore
}

export interface SocketmapListener {
  /** As a listen string, with the port that was bound. */
  readonly address: string
  /** Open connections. */
  readonly connections: number
  /** As OpenConnections ends them. Resolves when none is left. */
  close(graceMs: number): Promise<void>
}

/** Starts one listener. Throws config_invalid (address) and listen_failed. */
export async function listenSocketmap(
  listener: SocketmapListenerConfig,
  { max_connections: maxConnections, max_pending: maxPending }: Omit<SocketmapConfig, 'listeners'>,
  { maps, answered, clock, logger, dataDir, bound }: SocketmapDependencies,
): Promise<SocketmapListener> {
  const address = parseListen(listener.listen, dataDir)
  if (!isLoopback(address)) {
    throw new MailpassdError(
      'config_invalid',
      `socketmap.listeners: ${listener.listen} is not loopback and the protocol has no client authentication`,
    )
  }
  const connections = new OpenConnections<MapConnection>(clock)
  const { timetable } = connections
  const host: MapConnectionHost = {
    clock,
    logger,
    maps,
    answered: (map, { status }, durationMs) => answered(map, status, durationMs),
    flushLater: (connection) => connections.flushLater(connection),
    armSweep: () => connections.armSweep(),
    forget: (connection) => connections.forget(connection),
  }
  const accept = (socket: Socket): void => {
    connections.add(new MapConnection(socket, { maxPending, timetable }, host))
  }
  // highWaterMark: write() returns false, and `drain` follows, at just the bound.
  const server = createServer(
    {
      // Who ends its side after its questions still gets the answers.
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEPALIVE_AFTER_MS,
      highWaterMark: MAX_PENDING_OUTPUT_BYTES,
    },
    accept,
  )
  server.maxConnections = maxConnections
  server.on('drop', () =>
    logger.warn({ listener: listener.listen }, 'a socketmap connection was not accepted: max_connections'),
  )
  await bindServer(server, address, listener.mode, bound)
  server.on('error', (error) =>
    logger.error({ listener: listener.listen, err: error }, 'socketmap listener failed'),
  )

  return {
    address: formatAddress(address, server.address()),
    get connections() {
      return connections.size
    },
    close: (graceMs) => connections.close(server, graceMs),
  }
}
