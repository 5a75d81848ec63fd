/**
 * A binary min-heap whose entries know their place, so that any of them is moved or removed in O(log n): a job that is
 * given up waits somewhere in the middle.
 */
export interface HeapEntry {
  /** Its place; -1 while it is in no heap. Written by the heap alone; an entry is in one heap at a time. */
  heapAt: number
}

export class Heap<E extends HeapEntry> {
  readonly #entries: E[] = []
  readonly #isBefore: (a: E, b: E) => boolean

  constructor(isBefore: (a: E, b: E) => boolean) {
    this.#isBefore = isBefore
  }

  get size(): number {
    return this.#entries.length
  }

  /** The first entry; it stays. */
  peek(): E | undefined {
    return this.#entries[0]
  }

  /** The entry at a place from 0 to size - 1, in no order but that the first is at 0. */
  at(place: number): E | undefined {
    return this.#entries[place]
  }

  push(entry: E): void {
    entry.heapAt = this.#entries.length
    this.#entries.push(entry)
    this.#up(entry)
  }

  /** An entry of this heap. */
  remove(entry: E): void {
    const { heapAt } = entry
    const last = this.#entries.pop()
    entry.heapAt = -1
    if (last === undefined || last === entry) return
    this.#put(last, heapAt)
    this.moved(last)
  }

  /** To be called when an entry's order changed. */
  moved(entry: E): void {
    this.#up(entry)
    this.#down(entry)
  }

  clear(): void {
    for (const entry of this.#entries) entry.heapAt = -1
    this.#entries.length = 0
  }

  #put(entry: E, place: number): void {
    this.#entries[place] = entry
    entry.heapAt = place
  }

  #up(entry: E): void {
    for (;;) {
      const place = entry.heapAt
      const parent = place === 0 ? undefined : this.#entries[(place - 1) >> 1]
      if (parent === undefined || !this.#isBefore(entry, parent)) return
      this.#put(entry, parent.heapAt)
      this.#put(parent, place)
    }
  }

  #down(entry: E): void {
    for (;;) {
      const place = entry.heapAt
      const left = this.#entries[2 * place + 1]
      const right = this.#entries[2 * place + 2]
      const child = left !== undefined && right !== undefined && this.#isBefore(right, left) ? right : left
      if (child === undefined || !this.#isBefore(child, entry)) return
      this.#put(entry, child.heapAt)
      this.#put(child, place)
    }
  }
}
