/** Section `policy`: how many wrong passwords may be tried, and whose. docs/operating.md says what they add up to. */
import { Type } from 'typebox'
import { section } from './section.ts'

const guesses = (most: number, of: string) =>
  Type.Integer({
    default: most,
    minimum: 0,
    maximum: 1_000_000,
    description: `Different wrong passwords within an hour ${of}; then nothing more is compared until the first of them is an hour old. 0: any number.`,
  })

export const Policy = section(
  {
    pair_guesses: guesses(
      10,
      'at one mailbox from one network (IPv4 /24, IPv6 /64), whether its owner is known there or not',
    ),
    address_guesses: guesses(
      50,
      'at one mailbox from all networks together where nobody logged in to it in the last 30 days',
    ),
    ipv4_32_guesses: guesses(100, 'from one IPv4 address, at all mailboxes not used from its /24 before'),
    ipv4_24_guesses: guesses(300, 'from one IPv4 /24, likewise'),
    ipv6_64_guesses: guesses(100, 'from one IPv6 /64, likewise'),
    ipv6_56_guesses: guesses(200, 'from one IPv6 /56, likewise'),
    ipv6_48_guesses: guesses(400, 'from one IPv6 /48, likewise'),
    ipv6_32_guesses: guesses(4000, 'from one IPv6 /32, likewise'),
    shared_sources: Type.Array(Type.String(), {
      default: ['127.0.0.0/8', '::1/128'],
      maxItems: 64,
      description:
        "Networks of webmail and proxies that do not pass on their clients' addresses. What comes from there, from compat.sogo_networks, or without an address counts for the mailbox alone.",
    }),
    counters: Type.Integer({
      default: 100_000,
      minimum: 1000,
      maximum: 5_000_000,
      description:
        'Mailboxes, networks and pairs at which guesses are counted at a time; about 0.5 KiB each.',
    }),
    known_pairs: Type.Integer({
      default: 4_000_000,
      minimum: 10_000,
      maximum: 100_000_000,
      description:
        'Pairs of mailbox and network with a right password in the last 30 days that are remembered; 12 to 24 bytes each.',
    }),
  },
  'Penalties for guessing passwords.',
)
