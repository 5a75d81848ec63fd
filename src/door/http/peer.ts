/**
 * Who is at the other end of a connection. What came over a UNIX socket is marked when it is accepted: a TCP socket
 * whose client has gone has no address either, and must not pass for one.
 */
import type { Socket } from 'node:net'

const overUnix = new WeakSet<Socket>()

/** Called by the listener for each connection of a UNIX socket. */
export function markUnixPeer(socket: Socket): void {
  overUnix.add(socket)
}

export function isUnixPeer(socket: Socket): boolean {
  return overUnix.has(socket)
}
