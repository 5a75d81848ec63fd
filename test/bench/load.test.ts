/** The load client compiles, and one round of it against our daemon says what the daemon answered. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compilerMissing, compilePrograms } from '../../bench/compile.ts'
import { runLoad, writeCredentials } from '../../bench/load.ts'
import { addresses, credentialsOf, hashBy } from '../../bench/people.ts'
import { startBare } from '../../bench/subjects/bare.ts'
import { makePlace, startMailpassd } from '../../bench/subjects/mailpassd.ts'
import { startNull } from '../../bench/subjects/null.ts'
import { suite } from '../servers/suite.ts'

suite('one round of load', [await compilerMissing()], async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'mailpassd-bench-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const { client, nullServer } = await compilePrograms(dir)
  const users = addresses(4)
  const right = await writeCredentials(join(dir, 'right'), credentialsOf(users))

  const place = await makePlace(t, users, await hashBy('SSHA512'))
  const mailpassd = await startMailpassd(t, place, { config: '', failureDelayMs: 0 })
  const nothing = await startNull(t, nullServer, dir)
  const bare = await startBare(t, dir)

  t.test('every right password gets in, over a UNIX socket and over TCP', async (t) => {
    for (const address of [mailpassd.unix, mailpassd.tcp]) {
      const figures = await runLoad(client, address, right, { connections: 2, depth: 3, logins: 40 })
      t.match(figures, { answers: 40, ok: 40, fail: 0, tempFail: 0, closed: 0 }, address)
      t.ok(figures.p50Us > 0 && figures.p50Us <= figures.p99Us, 'with latencies')
    }
    t.ok(mailpassd.cpuUs() > 0, 'the daemon used CPU time')
  })

  t.test('what is compared with it answers the same client', async (t) => {
    for (const subject of [nothing, bare]) {
      const figures = await runLoad(client, subject.unix, right, { connections: 3, depth: 2, seconds: 0.05 })
      t.ok(figures.ok > 0 && figures.ok === figures.answers, subject.name)
    }
  })

  t.test('wrong passwords are told apart, one by one where asked for', async (t) => {
    const wrong = await writeCredentials(join(dir, 'wrong'), credentialsOf(users, 'a wrong password'))
    const samples = join(dir, 'samples')
    const figures = await runLoad(client, mailpassd.unix, wrong, { logins: 4, samples })
    t.match(figures, { answers: 4, ok: 0, fail: 4 })
    const kinds = (await readFile(samples, 'utf8')).split('\n').map((line) => line.split('\t')[1])
    t.same(kinds, ['fail', 'fail', 'fail', 'fail', undefined])
  })

  t.test('a fixed rate is kept', async (t) => {
    const figures = await runLoad(client, nothing.unix, right, { connections: 2, seconds: 0.2, rate: 100 })
    t.equal(figures.answers, 20)
  })

  t.test('what it cannot do, it says', async (t) => {
    await t.rejects(runLoad(client, `unix:${dir}/nobody`, right, { logins: 1 }), {
      message: /cannot connect/,
    })
    await t.rejects(runLoad(client, mailpassd.unix, join(dir, 'absent'), { logins: 1 }), {
      message: /cannot be read/,
    })
  })
})
