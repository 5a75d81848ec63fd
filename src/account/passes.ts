/** What complete readings of the directory say of the freshness of records (design §3 rules 7 and 11): a port. */
import type { DirectoryRecordValue } from './record-book.ts'

export interface Passes {
  /**
   * Whether the last complete pass read this record, or one before it, and is on time: then it is fresh, however old. Not
   * while passes are late, or events are, where they are read.
   */
  covers(record: DirectoryRecordValue, nowMs: number): boolean
  /**
   * That nobody has this address, where the last complete pass says so, is on time, and the directory answers. The same
   * value until the next pass.
   */
  absence(email: string, nowMs: number): DirectoryRecordValue | undefined
  /** The directory user with this id was changed in any way; nobody may know it yet. */
  userChanged(id: string): void
}

/** Where no passes are made. */
export const NO_PASSES: Passes = {
  covers: () => false,
  absence: () => undefined,
  userChanged() {},
}
