/** What a door needs of the login path: one call, one outcome, never a throw. Recording is done inside. */
import type { LoginRequest } from './request.ts'
import type { Outcome } from './outcome.ts'

/** Synchronous where everything was known already: a warm login costs no turn of the event loop. */
export type Login = (request: LoginRequest) => Outcome | Promise<Outcome>
