/** How a section of the configuration is declared: a table that may be left out and takes no unknown keys. */
import { Type, type TSchema } from 'typebox'

export function section<P extends Record<string, TSchema>>(properties: P, description: string) {
  return Type.Object(properties, { additionalProperties: false, default: {}, description })
}
