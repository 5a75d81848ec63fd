/** A login whose outcome depends on the request alone, so that a process and a test come to the same. */
import type { Outcome } from '../../../src/login/outcome.ts'
import type { LoginRequest } from '../../../src/login/request.ts'
import { joe, outcomeOf } from './rig.ts'

/** Some names are not found out; otherwise as `joe`. */
export function fuzzed(request: LoginRequest): Outcome {
  return request.username.startsWith('down') ? outcomeOf('directory_down') : joe(request)
}
