/** The mechanisms that are offered, in the order in which doors list them. */
import { login } from './login.ts'
import type { Mechanism } from './mechanism.ts'
import { plain } from './plain.ts'

export const MECHANISMS: readonly Mechanism[] = [plain, login]

const BY_NAME = new Map(MECHANISMS.map((mechanism) => [mechanism.name as string, mechanism]))

/** The mechanism of that name, without regard to case, or undefined. Never throws. */
export function findMechanism(name: string): Mechanism | undefined {
  return BY_NAME.get(name) ?? BY_NAME.get(name.toUpperCase())
}
