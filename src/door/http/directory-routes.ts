/** `/v1/directory` on the admin door: how the records of the directory are kept, and a mass change accepted. */
import { Type } from 'typebox'
import type { Keeping } from '../../mirror/keeping.ts'
import { Accepted, DirectoryState, PassStarted } from '../../telemetry/directory-state.ts'
import { ErrorBody } from './api-error.ts'
import type { BaseOptions, HttpApp } from './base-app.ts'

const MINUTE_MS = 60_000
const DEFAULT_MINUTES = 60
/** Longer would be no guard any more. */
const MAX_MINUTES = 1440

const AcceptBody = Type.Object(
  {
    minutes: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: MAX_MINUTES,
        description:
          'How long changes of any number count from now on; default 60, because users are heard of one by one.',
      }),
    ),
  },
  { additionalProperties: false },
)

export function addDirectoryRoutes(app: HttpApp, keeping: Keeping, { logger }: BaseOptions): void {
  app.get(
    '/v1/directory',
    {
      config: { access: 'read' },
      schema: {
        operationId: 'directory',
        summary: 'The records of the directory, and what keeps them.',
        tags: ['admin'],
        security: [{ token: [] }],
        response: { 200: DirectoryState, 401: ErrorBody, 403: ErrorBody },
      },
    },
    async (_request, reply) => reply.send(keeping.state()),
  )

  app.post(
    '/v1/directory/pass',
    {
      config: { access: 'admin' },
      schema: {
        operationId: 'startPass',
        summary: 'Read the whole directory now.',
        description:
          'At most 20 calls a second; answers at once. Also in lookup mode, where it fills the records once.',
        tags: ['admin'],
        security: [{ token: [] }],
        response: { 202: PassStarted, 401: ErrorBody, 403: ErrorBody },
      },
    },
    async (_request, reply) => reply.code(202).send({ started: keeping.pass() }),
  )

  app.post(
    '/v1/directory/accept',
    {
      config: { access: 'admin' },
      schema: {
        operationId: 'acceptMassChange',
        summary: 'Accept a mass change in the directory.',
        description:
          'What the directory says counts: of those who are held at once, and of everybody for some time. On this node alone. Also where none is held: before many users are disabled on purpose.',
        tags: ['admin'],
        security: [{ token: [] }],
        body: AcceptBody,
        response: { 200: Accepted, 400: ErrorBody, 401: ErrorBody, 403: ErrorBody },
      },
    },
    async (request, reply) => {
      const { minutes = DEFAULT_MINUTES } = request.body
      const accepted = keeping.accept(minutes * MINUTE_MS)
      logger.warn({ users: accepted.accepted, minutes }, 'a mass change was accepted over the admin door')
      return reply.send(accepted)
    },
  )
}
