/**
 * The packages that are given to others, built and tried on a bare Debian 12: scripts/package, scripts/check-package. What is
 * tried is said there, step by step.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startChild } from '../servers/child.ts'
import { missing } from '../servers/roots.ts'
import { suite } from '../servers/suite.ts'

/** Building and installing some 3,000 files four times beside other suites. */
const LIMIT_MS = 900_000
const CHECK = join(import.meta.dirname, '../../scripts/check-package')

t.setTimeout(LIMIT_MS)

const absent = ['/usr/bin/systemd-analyze', '/usr/bin/dpkg-deb', '/usr/bin/curl', '/usr/bin/unshare'].find(
  (program) => !existsSync(program),
)

suite(
  'packages install on a bare Debian 12, serve, and leave the database when they go',
  [
    missing('bare', '/usr/bin/dpkg'),
    absent === undefined ? undefined : `${absent} is not installed (npm run servers)`,
  ],
  async (t) => {
    t.setTimeout(LIMIT_MS)
    const child = startChild(CHECK, [])
    t.teardown(() => child.stop())
    t.equal(await child.ended, 0, child.output())
    for (const step of [
      'built',
      'for no development',
      'units verified',
      'serves: a login over HTTP that made the mailbox, one over SASL',
      'upgraded, installed once more, downgraded: the same mailbox',
      'removed and purged: the database stayed, and served again',
      'the tarball serves where it is unpacked; all holds',
    ])
      t.match(child.output(), step)
  },
)
