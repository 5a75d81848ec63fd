/**
 * LOGIN (draft-murchison-sasl-login, never an RFC, asked for by old clients): two prompts, user name then password.
 * As Dovecot: the prompts are fixed, an initial response is the user name, an empty one counts as none.
 */
import { Secret } from '../secret.ts'
import { MALFORMED, parseName, type Exchange, type Mechanism, type Step } from './mechanism.ts'

const ASK_NAME: Step = { kind: 'continue', challenge: 'Username:' }
const ASK_PASSWORD: Step = { kind: 'continue', challenge: 'Password:' }

class LoginExchange implements Exchange {
  #authid: string | undefined

  start(initial: Buffer | undefined): Step {
    return initial === undefined || initial.length === 0 ? ASK_NAME : this.#name(initial)
  }

  next(response: Buffer): Step {
    if (this.#authid === undefined) return this.#name(response)
    return {
      kind: 'credentials',
      authid: this.#authid,
      secret: Secret.copyOf(response),
    }
  }

  #name(bytes: Buffer): Step {
    // A NUL would be taken for the end of the name by everything written in C behind us.
    if (bytes.includes(0)) return MALFORMED
    this.#authid = parseName(bytes, 0, bytes.length)
    return this.#authid === undefined ? MALFORMED : ASK_PASSWORD
  }
}

export const login: Mechanism = { name: 'LOGIN', begin: () => new LoginExchange() }
