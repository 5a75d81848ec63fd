/** Compiles a route's schema to a check whose error names the field and the rule, never the value. */
import type { FastifySchemaCompiler } from 'fastify'
import { Type, type TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { ApiError } from './api-error.ts'

/** For Fastify's setValidatorCompiler. Nothing is coerced, filled in or removed. */
export const schemaCheck: FastifySchemaCompiler<TSchema> = ({ schema, httpPart = 'request' }) => {
  const check = Compile(schema)
  const known = Type.IsObject(schema) ? Object.keys(schema.properties) : []
  return (value: unknown) => {
    if (check.Check(value)) return { value }
    for (const error of check.Errors(value)) {
      // An unknown key is itself text of the request: it is not repeated, the known ones are.
      if (error.keyword === 'additionalProperties')
        return { error: new ApiError('field_invalid', `${httpPart}: a key is none of ${known.join(', ')}`) }
      const field =
        error.keyword === 'required'
          ? error.params.requiredProperties[0]
          : // Of a list's element, the list.
            error.instancePath.slice(1).split('/', 1)[0]
      if (field === '') return { error: new ApiError('field_invalid', `${httpPart}: ${error.message}`) }
      if (field === undefined || !known.includes(field)) continue
      const text = error.keyword === 'required' ? 'is missing' : error.message
      return { error: new ApiError('field_invalid', `${field}: ${text}`) }
    }
    return { error: new ApiError('field_invalid', `${httpPart}: is not as the API describes it`) }
  }
}
