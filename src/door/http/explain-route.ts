/** `GET /v1/explain/{address}`: why somebody can or cannot log in. Without a password, and writing nothing. */
import { isIP } from 'node:net'
import { Type } from 'typebox'
import type { Explain } from '../../explain/explain.ts'
import { Explanation } from '../../explain/explanation.ts'
import { parseService } from '../../login/service.ts'
import { ApiError, ErrorBody } from './api-error.ts'
import type { HttpApp } from './base-app.ts'

export function addExplainRoute(app: HttpApp, explain: Explain): void {
  app.get(
    '/v1/explain/:address',
    {
      config: { access: 'read' },
      schema: {
        operationId: 'explain',
        summary: 'Why somebody can or cannot log in.',
        description:
          'Walks the rooms of a login without a password and writes nothing. 200 whatever the answer; facts, no hashes.',
        tags: ['admin'],
        security: [{ token: [] }],
        params: Type.Object({ address: Type.String({ description: 'The login name; may be nonsense.' }) }),
        querystring: Type.Object(
          {
            service: Type.Optional(
              Type.String({ maxLength: 64, description: 'As for a login; default imap.' }),
            ),
            ip: Type.Optional(Type.String({ maxLength: 64, description: 'Address of the mail client.' })),
          },
          { additionalProperties: false },
        ),
        response: { 200: Explanation, 400: ErrorBody, 401: ErrorBody, 403: ErrorBody },
      },
    },
    async (request, reply) => {
      const { service = 'imap', ip } = request.query
      if (ip !== undefined && isIP(ip) === 0) throw new ApiError('field_invalid', 'ip: must be an IP address')
      const { address: name } = request.params
      const explanation = await explain({ name, service: parseService(service), door: 'http', remoteIp: ip })
      return reply.send(explanation)
    },
  )
}
