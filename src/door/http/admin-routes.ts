/** The admin door's routes together; also used by openapi.ts, which describes them. */
import type { ConnectionTest } from '../../check/connection-test.ts'
import type { Keeping } from '../../mirror/keeping.ts'
import type { Explain } from '../../explain/explain.ts'
import type { Incidents } from '../../incident/lock-account.ts'
import type { AppPasswords } from '../../credential/app-passwords.ts'
import type { Login } from '../../login/login.ts'
import { addAppPasswordRoutes } from './app-password-routes.ts'
import type { PenaltyDesk } from '../../policy/desk.ts'
import type { LoginLogSource } from '../../login-log/event.ts'
import type { Status } from '../../telemetry/status.ts'
import type { BaseOptions, HttpApp } from './base-app.ts'
import { addConnectionTestRoute } from './connection-test-route.ts'
import { addDescribingRoutes, type Describing } from './describing-routes.ts'
import { addDirectoryRoutes } from './directory-routes.ts'
import { addExplainRoute } from './explain-route.ts'
import { addHealthRoutes, type Readiness } from './health-routes.ts'
import { addLockRoute } from './lock-route.ts'
import { addLoginAttemptsRoute } from './login-attempts-route.ts'
import { addLoginsRoute } from './logins-route.ts'
import { addPenaltyRoutes } from './penalty-routes.ts'
import { addStatusRoute } from './status-route.ts'

export interface AdminRoutes extends Describing {
  readonly login: Login
  readonly explain: Explain
  readonly appPasswords: AppPasswords
  readonly readiness: () => Promise<Readiness>
  readonly connectionTest: ConnectionTest
  readonly incidents: Incidents
  readonly penalties: PenaltyDesk
  readonly keeping: Keeping
  readonly loginLog: LoginLogSource
  readonly status: () => Promise<Status>
}

export function addAdminRoutes(app: HttpApp, routes: AdminRoutes, base: BaseOptions): void {
  addHealthRoutes(app, routes.readiness, base)
  addDescribingRoutes(app, routes)
  addLoginAttemptsRoute(app, routes.login)
  addConnectionTestRoute(app, routes.connectionTest)
  addExplainRoute(app, routes.explain)
  addLockRoute(app, routes.incidents, base)
  addPenaltyRoutes(app, routes.penalties, base)
  addDirectoryRoutes(app, routes.keeping, base)
  addAppPasswordRoutes(app, routes.appPasswords)
  addLoginsRoute(app, routes.loginLog, base)
  addStatusRoute(app, routes.status)
}
