/** Run by `./mailpassd` in place of the program: tells what the pool makes of the environment it was started in. */
import { availableParallelism } from 'node:os'
import { threadpoolSize, workersOf } from '../../../src/password/threadpool.ts'

const threads = threadpoolSize(process.env)
console.log(JSON.stringify({ threads, workers: workersOf(0, threads), cores: availableParallelism() }))
