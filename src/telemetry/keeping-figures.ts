/** What metrics show of passes over the directory and of the snapshot. */
export interface KeepingFigures {
  readonly pass: {
    readonly running: { readonly seen: number; readonly expected: number } | undefined
    readonly last: { readonly durationMs: number } | undefined
    readonly completeAgeMs: number | undefined
  }
  readonly snapshot: { readonly pending: number; readonly isFailing: boolean } | undefined
}
