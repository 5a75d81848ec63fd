/**
 * What a stored hash may ask of this machine. A hash beyond a limit is unusable before any work starts: whoever
 * may write a hash attribute must not be able to buy seconds of CPU or gigabytes with it.
 */

/** The whole `{SCHEME}hash`, in UTF-8 bytes. */
export const MAX_HASH_BYTES = 1024

/** A longer password never matches. Nothing that a mail client sends comes near. */
export const MAX_PASSWORD_BYTES = 1024

/** About 2.5 s on one core; PHP's and Dovecot's defaults are 10 to 12 and 5. */
export const MAX_BCRYPT_COST = 14

/** 256 MiB, in the KiB that argon2 counts in. */
export const MAX_ARGON2_MEMORY_KIB = 256 * 1024
export const MAX_ARGON2_PASSES = 10
export const MAX_ARGON2_LANES = 8

/** crypt(3) allows 999,999,999 rounds, which is half an hour. */
export const MAX_SHA_CRYPT_ROUNDS = 1_000_000

export const MAX_PBKDF2_ROUNDS = 5_000_000

/** A stored key or tag shorter than this could be met by trying passwords, whatever the rounds. */
export const MIN_KEY_BYTES = 16
