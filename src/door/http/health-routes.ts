/** `/healthz`: the process answers. `/readyz`: users can log in, and what is missing nevertheless. */
import { Type } from 'typebox'
import { ErrorBody } from './api-error.ts'
import type { BaseOptions, HttpApp } from './base-app.ts'

export interface Readiness {
  /** Whether users known so far can log in. */
  readonly ready: boolean
  /** What does not work or serves from memory, as short constants: `directory_down` … */
  readonly degraded: readonly string[]
  /** The same for people, where there is more to say. */
  readonly notes?: readonly string[]
}

/** A probe that waits longer has its answer: not ready. */
const PROBE_WITHIN_MS = 2000

const Health = Type.Object({ status: Type.Enum(['ok']) }, { description: 'The process answers.' })
const Ready = Type.Object(
  {
    ready: Type.Boolean(),
    degraded: Type.Array(Type.String(), { description: 'What does not work.' }),
    notes: Type.Array(Type.String(), {
      description: 'The same for people: directory down, serving records up to 58 minutes old.',
    }),
  },
  { description: 'Whether known users can log in.' },
)

export function addHealthRoutes(
  app: HttpApp,
  readiness: () => Promise<Readiness>,
  { clock, logger }: BaseOptions,
): void {
  async function probe(): Promise<Readiness> {
    const late = Promise.withResolvers<Readiness>()
    const cancel = clock.after(PROBE_WITHIN_MS, () => late.resolve({ ready: false, degraded: ['deadline'] }))
    try {
      return await Promise.race([readiness(), late.promise])
    } catch (error) {
      logger.error({ err: error }, 'readiness threw')
      return { ready: false, degraded: ['internal'] }
    } finally {
      cancel()
    }
  }

  app.get(
    '/healthz',
    {
      config: { access: 'open' },
      schema: {
        operationId: 'healthz',
        summary: 'Whether the process answers.',
        tags: ['admin'],
        security: [{}],
        response: { 200: Health },
      },
    },
    async (_request, reply) => reply.send({ status: 'ok' }),
  )

  app.get(
    '/readyz',
    {
      config: { access: 'read' },
      schema: {
        operationId: 'readyz',
        summary: 'Whether known users can log in.',
        tags: ['admin'],
        security: [{ token: [] }],
        response: {
          200: Ready,
          401: ErrorBody,
          403: ErrorBody,
          503: { ...Ready, description: 'They cannot.' },
        },
      },
    },
    async (_request, reply) => {
      const { ready, degraded, notes = [] } = await probe()
      return reply.code(ready ? 200 : 503).send({ ready, degraded: [...degraded], notes: [...notes] })
    },
  )
}
