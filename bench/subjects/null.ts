/** The server that checks nothing (load/null-server.c): an upper bound of what the load client can ask. */
import { join } from 'node:path'
import { startChild } from '../../test/servers/child.ts'
import { cpuUsOf } from '../process-cpu.ts'
import type { Teardown } from '../teardown.ts'
import type { Subject } from './subject.ts'

/** Only on a UNIX socket in `dir`. */
export async function startNull(teardown: Teardown, program: string, dir: string): Promise<Subject> {
  const unix = `unix:${join(dir, 'null.sock')}`
  const child = startChild(program, [unix])
  teardown.teardown(() => child.stop())
  await child.until(() => child.output().includes('ready'))
  return { name: 'nothing (C)', unix, tcp: unix, cpuUs: () => cpuUsOf(child.pid) }
}
