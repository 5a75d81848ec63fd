/**
 * What systemd does with a socket unit (sd_listen_fds(3)): binds sockets, keeps them, and starts a program with them as
 * descriptors 3 and up, as often as it is told to.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'

const WAIT_MS = 60_000

/** In Perl, which every Debian has: Node can neither bind a socket without accepting from it nor replace itself. */
const SCRIPT = String.raw`
use strict; use Socket;
$^F = 255; $| = 1;
my (@sockets, @names);
while (defined(my $wish = shift @ARGV)) {
  last if $wish eq '--';
  my ($name, $address, $mode) = split /=/, $wish;
  my $socket;
  if ($address =~ m{^/}) {
    socket($socket, AF_UNIX, SOCK_STREAM, 0) && bind($socket, pack_sockaddr_un($address)) or die $!;
    chmod oct($mode), $address or die $!;
    print "# bound $address\n";
  } else {
    socket($socket, AF_INET, SOCK_STREAM, 0) or die $!;
    bind($socket, pack_sockaddr_in($address, INADDR_LOOPBACK)) or die $!;
    print '# bound ', (unpack_sockaddr_in(getsockname($socket)))[0], "\n";
  }
  listen($socket, 4096) or die $!;
  die 'not the next descriptor' if fileno($socket) != 3 + @sockets;
  push @sockets, $socket; push @names, $name;
}
while (<STDIN>) {
  my $pid = fork;
  if ($pid == 0) {
    @ENV{'LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES'} = ($$, scalar @sockets, join ':', @names);
    open STDIN, '<', '/dev/null';
    exec @ARGV or die $!;
  }
  print "# pid $pid\n";
  waitpid $pid, 0;
  print "# ended ", $? >> 8, "\n";
}
`

export interface Wish {
  /** As FileDescriptorName= of a unit. */
  readonly name: string
  /** Absent: a free port of 127.0.0.1. */
  readonly path?: string
  /** Of a UNIX socket; default 0660. */
  readonly mode?: string
}

export interface Activation {
  /** Ports and paths, in the order of the wishes. */
  readonly bound: readonly string[]
  /** Starts the program and gives its process id. */
  readonly start: () => Promise<number>
  /** Waits until what it wrote since the last start fits, and gives it. */
  readonly seen: (pattern: RegExp) => Promise<string>
  /** Waits for the end of the program and gives its exit code. */
  readonly ended: () => Promise<number>
  /** Ends the program, then closes the sockets. */
  readonly stop: () => Promise<void>
}

/** Binds the sockets; `command` gets what was bound and gives program and arguments. */
export async function activate(
  wishes: readonly Wish[],
  command: readonly [string, ...string[]],
): Promise<Activation> {
  const sockets = wishes.map(({ name, path, mode = '0660' }) => `${name}=${path ?? 0}=${mode}`)
  const perl = spawn('perl', ['-e', SCRIPT, ...sockets, '--', ...command], { stdio: 'pipe' })
  let text = ''
  const gone = once(perl, 'exit')
  for (const stream of [perl.stdout, perl.stderr])
    stream.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
  const seen = async (pattern: RegExp): Promise<string> => {
    const untilMs = Date.now() + WAIT_MS
    while (!pattern.test(text)) {
      if (perl.exitCode !== null || Date.now() > untilMs)
        throw new Error(`${pattern} was not seen in:\n${text}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    return text
  }
  const bindings = new RegExp(`(?:# bound .*\n){${wishes.length}}`)
  const bound = [...(await seen(bindings)).matchAll(/^# bound (.*)$/gm)].map(([, place = '']) => place)
  let pid = 0
  return {
    bound,
    async start() {
      text = ''
      perl.stdin.write('start\n')
      pid = Number(/^# pid (\d+)$/m.exec(await seen(/^# pid \d+$/m))?.[1])
      return pid
    },
    seen,
    ended: async () => Number(/^# ended (\d+)$/m.exec(await seen(/^# ended \d+$/m))?.[1]),
    async stop() {
      if (pid > 0 && !/^# ended/m.test(text)) process.kill(pid, 'SIGTERM')
      perl.stdin.end()
      await gone
    },
  }
}
