/** The admin door's routes: health, metrics, the API's description, logins that say why, app passwords. */
import type { FastifyInstance } from 'fastify'
import type { ConnectionTest } from '../../check/connection-test.ts'
import type { Clock } from '../../clock.ts'
import type { Keeping } from '../../mirror/keeping.ts'
import type { Explain } from '../../explain/explain.ts'
import type { Incidents } from '../../incident/lock-account.ts'
import type { AppPasswords } from '../../credential/app-passwords.ts'
import type { PenaltyDesk } from '../../policy/desk.ts'
import type { LoginLogSource } from '../../login-log/event.ts'
import type { Login } from '../../login/login.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { Status } from '../../telemetry/status.ts'
import { createAccessRules, type AccessToken } from './access.ts'
import { createBaseApp } from './base-app.ts'
import { addAdminRoutes } from './admin-routes.ts'
import type { Describing } from './describing-routes.ts'
import type { Readiness } from './health-routes.ts'

export interface AdminAppOptions {
  readonly login: Login
  readonly explain: Explain
  readonly appPasswords: AppPasswords
  /** Asked on each /readyz; answered for within 2 s. */
  readonly readiness: () => Promise<Readiness>
  readonly connectionTest: ConnectionTest
  readonly incidents: Incidents
  readonly penalties: PenaltyDesk
  readonly keeping: Keeping
  readonly loginLog: LoginLogSource
  readonly status: () => Promise<Status>
  readonly metrics: Describing['metrics']
  readonly tokens: readonly AccessToken[]
  /** Of mailpassd, for /openapi.json. */
  readonly version: string
  readonly clock: Clock
  readonly logger: Logger
}

/** The app; listen.ts gives it connections. */
export function createAdminApp(options: AdminAppOptions): FastifyInstance {
  const { clock, logger, version } = options
  const base = { access: createAccessRules(options), clock, logger }
  const app = createBaseApp(base)
  let document: Promise<object> | undefined
  // Rarely asked for: neither its modules nor its making belong to the start of the daemon.
  const openApi = () =>
    (document ??= import('./openapi.ts').then(({ openApiDocument }) => openApiDocument(version)))
  addAdminRoutes(app, { ...options, openApi }, base)
  return app
}
