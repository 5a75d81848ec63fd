/** Why a login is put off, by the error of the directory. */
import type { Why } from '../login/outcome.ts'

/** `code` as in errors.ts. */
export function whyOf(code: string): Why {
  switch (code) {
    case 'directory_refused':
      return 'directory_refuses_us'
    case 'directory_invalid':
      return 'directory_garbage'
    case 'directory_unavailable':
      return 'directory_down'
    default:
      return 'internal'
  }
}
