/** `/metrics` in the Prometheus text format and `/openapi.json`, the description of both HTTP doors. */
import { Type } from 'typebox'
import { ErrorBody } from './api-error.ts'
import type { HttpApp } from './base-app.ts'

export interface Describing {
  readonly metrics: { text(): Promise<string>; readonly contentType: string }
  /** Made when first asked for. */
  readonly openApi: () => Promise<object>
}

export function addDescribingRoutes(app: HttpApp, { metrics, openApi }: Describing): void {
  app.get(
    '/metrics',
    {
      config: { access: 'read' },
      schema: {
        operationId: 'metrics',
        summary: 'Metrics in the Prometheus text format.',
        tags: ['admin'],
        security: [{ token: [] }],
        response: {
          200: { description: 'Metrics.', content: { 'text/plain': { schema: Type.String() } } },
          401: ErrorBody,
          403: ErrorBody,
        },
      },
    },
    async (_request, reply) => {
      const text = await metrics.text()
      return reply.type(metrics.contentType).send(text)
    },
  )

  app.get(
    '/openapi.json',
    {
      config: { access: 'read' },
      schema: {
        operationId: 'openapi',
        summary: 'This description.',
        tags: ['admin'],
        security: [{ token: [] }],
        response: {
          200: Type.Object({}, { additionalProperties: true, description: 'An OpenAPI 3.1 document.' }),
          401: ErrorBody,
          403: ErrorBody,
        },
      },
    },
    async () => openApi(),
  )
}
