/** The bare server (bare-server.ts), run by the same Node with the same options as the daemon. */
import { join } from 'node:path'
import { startChild } from '../../test/servers/child.ts'
import { freePort } from '../../test/servers/ports.ts'
import { MAILPASSD } from '../../test/e2e/daemon.ts'
import { cpuUsOf } from '../process-cpu.ts'
import type { Teardown } from '../teardown.ts'
import type { Subject } from './subject.ts'

export async function startBare(teardown: Teardown, dir: string): Promise<Subject> {
  const path = join(dir, 'bare.sock')
  const port = await freePort()
  // The start script chooses Node and its options.
  const child = startChild(MAILPASSD, [path, String(port)], {
    env: { MAILPASSD_ENTRY: 'bench/bare-server.ts' },
  })
  teardown.teardown(() => child.stop())
  await child.until(() => child.output().includes('ready'))
  return {
    name: 'bare Node',
    unix: `unix:${path}`,
    tcp: `127.0.0.1:${port}`,
    cpuUs: () => cpuUsOf(child.pid),
  }
}
