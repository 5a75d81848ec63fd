/** The auth door's routes over HTTP: logins, userdb, Dovecot's auth policy, nothing else. */
import type { FastifyInstance } from 'fastify'
import type { UserDb } from '../../account/userdb.ts'
import type { Clock } from '../../clock.ts'
import type { AuthPolicy } from '../../login/auth-policy.ts'
import type { Login } from '../../login/login.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { createAccessRules, type AccessToken } from './access.ts'
import { createBaseApp, type BaseOptions, type HttpApp } from './base-app.ts'
import { addLoginRoute } from './login-route.ts'
import { addMailcowRoute } from './mailcow-route.ts'
import { inNetworks } from './networks.ts'
import { addPolicyRoute } from './policy-route.ts'
import { addUserDbRoute } from './userdb-route.ts'

export interface AuthRoutes {
  readonly login: Login
  readonly userdb: UserDb
  readonly authPolicy: AuthPolicy
  /** Networks (CIDR) of SOGo on a mailcow; what `POST /` says of a client there skips protocol checks. */
  readonly sogoNetworks: readonly string[]
}

export interface AuthAppOptions extends AuthRoutes {
  readonly tokens: readonly AccessToken[]
  /** Networks (CIDR) from which `POST /` needs no token. */
  readonly compatNetworks: readonly string[]
  readonly clock: Clock
  readonly logger: Logger
}

/** Also used by openapi.ts, which describes these routes. */
export function addAuthRoutes(app: HttpApp, routes: AuthRoutes, base: BaseOptions): void {
  const { login, userdb, authPolicy, sogoNetworks } = routes
  addLoginRoute(app, login)
  addMailcowRoute(app, login, inNetworks(sogoNetworks))
  addUserDbRoute(app, userdb, base)
  addPolicyRoute(app, authPolicy)
}

/** The app; listen.ts gives it connections. */
export function createAuthApp(options: AuthAppOptions): FastifyInstance {
  const { clock, logger } = options
  const base = { access: createAccessRules(options), clock, logger }
  const app = createBaseApp(base)
  addAuthRoutes(app, options, base)
  return app
}
