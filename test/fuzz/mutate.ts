/** Mutations of line protocols, reproducible from a seed. */

/** A small generator of 32-bit numbers (mulberry32): the same numbers for the same seed. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** An integer in [0, bound). */
  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * bound)
  }

  chance(probability: number): boolean {
    return this.below(1_000_000) < probability * 1_000_000
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)]
    if (item === undefined) throw new Error('nothing to pick from')
    return item
  }
}

const TOKENS = [
  ['\t', '\n', '\r\n', '\0', '\u0001', '\u00010', '=', '==', '\xff', 'x'.repeat(300)],
  ['AUTH\t', 'CONT\t', 'CANCEL\t', 'VERSION\t1\t2\n', 'CPID\t1\n', '0', '1', '2', '4294967296'],
  ['PLAIN', 'LOGIN', 'service=smtp', 'resp=', '\tresp=', 'rip=', 'session=', 'AAAA', 'AGEAYg=='],
  ['CONT\t1\tAAAA\n', 'CANCEL\t1\n', 'AUTH\t1\tLOGIN\tservice=smtp\n'],
].flat()

function once(text: string, corpus: readonly string[], random: Random): string {
  const at = random.below(text.length + 1)
  const to = Math.min(text.length, at + random.below(random.chance(0.5) ? 4 : 80))
  switch (random.below(9)) {
    case 0:
      return text.slice(0, at) + String.fromCharCode(random.below(256)) + text.slice(at + 1)
    case 1:
      return text.slice(0, at) + random.pick(TOKENS) + text.slice(at)
    case 2:
      return text.slice(0, at) + text.slice(to)
    case 3:
      return text.slice(0, to) + text.slice(at)
    case 4:
      return text.slice(0, at) + random.pick(corpus).slice(random.below(60))
    case 5: {
      const lines = text.split('\n')
      const from = random.below(lines.length)
      const [line = ''] = lines.splice(from, 1)
      lines.splice(random.below(lines.length + 1), 0, line)
      return lines.join('\n')
    }
    case 6:
      return text.replaceAll('\t1\t', `\t${random.below(5)}\t`)
    case 7: {
      const line = random.pick(text.split('\n'))
      return `${text}\n${`${line}\n`.repeat(random.below(50))}`
    }
    default:
      return random.chance(0.05)
        ? text.slice(0, at) + 'x'.repeat(random.below(40_000)) + text.slice(at)
        : text
  }
}

/** The text after zero to eight mutations; at most 200,000 characters. */
export function mutate(text: string, corpus: readonly string[], random: Random): string {
  let mutated = text
  for (let count = random.below(9); count > 0; count -= 1) mutated = once(mutated, corpus, random)
  return mutated.slice(0, 200_000)
}
