/** `GET /v1/status`: the daemon, its doors, what it works with, and how logins come out. */
import type { HttpApp } from './base-app.ts'
import { ErrorBody } from './api-error.ts'
import { Status } from '../../telemetry/status.ts'

export function addStatusRoute(app: HttpApp, status: () => Promise<Status>): void {
  app.get(
    '/v1/status',
    {
      config: { access: 'read' },
      schema: {
        operationId: 'status',
        summary: 'The daemon now.',
        tags: ['admin'],
        security: [{ token: [] }],
        response: { 200: Status, 401: ErrorBody, 403: ErrorBody },
      },
    },
    async (_request, reply) => reply.send(await status()),
  )
}
