/*
 * Load on a server of Dovecot's auth protocol. One thread, one epoll, blocking writes: what is in flight on a connection
 * always fits into its socket's buffer. An id is its place in the connection's table, and free again once answered.
 * A connection that the server closes is opened again; what was in flight on it counts as `closed`.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include "histogram.h"
#include "options.h"

#define INPUT_BYTES 16384
/* What is unanswered for so long when the time is over is left behind. */
#define LEAVE_NS 1000000000ull
#define GIVE_UP_NS 60000000000ull

enum kind { OK, FAIL, TEMP_FAIL, CLOSED, KINDS };
static const char *const KIND_NAMES[] = {"ok", "fail", "temp_fail", "closed"};

struct request {
  uint64_t due_ns;
  uint32_t who;
  int is_pending;
};

struct connection {
  int fd;
  unsigned free_count;
  uint16_t free[MAX_DEPTH];
  struct request requests[MAX_DEPTH];
  char input[INPUT_BYTES];
  size_t held;
};

static struct options options;
static struct credentials credentials;
static struct connection *connections;
static struct histogram latencies;
static uint64_t answers[KINDS], begun, in_flight, end_ns;
static FILE *samples;
static int poller;

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static void open_connection(struct connection *connection, int wait) {
  int fd = socket(options.address.storage.ss_family, SOCK_STREAM, 0), on = 1;
  if (fd < 0 || connect(fd, (struct sockaddr *)&options.address.storage, options.address.length) != 0)
    die(69, "cannot connect: %s", strerror(errno));
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  connection->fd = fd;
  connection->held = 0;
  connection->free_count = options.depth;
  for (unsigned at = 0; at < options.depth; at++) connection->free[at] = (uint16_t)at;
  char hello[64];
  int length = snprintf(hello, sizeof hello, "VERSION\t1\t0\nCPID\t%d\n", getpid() + (int)(connection - connections));
  if (write(fd, hello, (size_t)length) != length) die(69, "cannot write: %s", strerror(errno));
  while (wait && memmem(connection->input, connection->held, "DONE\n", 5) == NULL) {
    ssize_t got = read(fd, connection->input + connection->held, INPUT_BYTES - connection->held);
    if (got <= 0) die(69, "%s", "no handshake");
    connection->held += (size_t)got;
  }
  connection->held = 0;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
  epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
}

static void count(struct request *request, enum kind kind, uint64_t at_ns) {
  uint64_t took_ns = at_ns - request->due_ns;
  request->is_pending = 0;
  in_flight--;
  answers[kind]++;
  record(&latencies, took_ns);
  if (samples != NULL) fprintf(samples, "%u\t%s\t%.1f\n", request->who, KIND_NAMES[kind], (double)took_ns / 1000);
}

/* Appends a request to `output`; gives the bytes. */
static size_t begin(struct connection *connection, char *output, uint64_t due_ns) {
  unsigned place = connection->free[--connection->free_count];
  struct request request = {due_ns, (uint32_t)(begun % credentials.count), 1};
  connection->requests[place] = request;
  const struct tail *tail = &credentials.tails[request.who];
  int head = sprintf(output, "AUTH\t%u", place + 1);
  memcpy(output + head, tail->text, tail->length);
  begun++;
  in_flight++;
  return (size_t)head + tail->length;
}

static int is_over(uint64_t at_ns) {
  return options.logins > 0 ? begun >= options.logins : at_ns >= end_ns;
}

/* As many requests as there are free places, or one. A failing write is seen by the next read. */
static void fill(struct connection *connection, uint64_t due_ns, unsigned most) {
  static char output[MAX_DEPTH * (MAX_TAIL_BYTES + 16)];
  size_t length = 0;
  for (; most > 0 && connection->free_count > 0 && !is_over(due_ns); most--)
    length += begin(connection, output + length, due_ns);
  for (size_t sent = 0; sent < length;) {
    ssize_t now = send(connection->fd, output + sent, length - sent, MSG_NOSIGNAL);
    if (now <= 0) break;
    sent += (size_t)now;
  }
}

static void take_line(struct connection *connection, char *line, char *end, uint64_t at_ns) {
  enum kind kind;
  if (line[0] == 'O' && line[1] == 'K' && line[2] == '\t') kind = OK;
  else if (strncmp(line, "FAIL\t", 5) == 0)
    kind = memmem(line, (size_t)(end - line), "\tcode=temp_fail", 15) == NULL ? FAIL : TEMP_FAIL;
  else return;
  unsigned long id = strtoul(line + (kind == OK ? 3 : 5), NULL, 10);
  if (id == 0 || id > options.depth || !connection->requests[id - 1].is_pending) die(76, "%s", "an answer nobody waits for");
  count(&connection->requests[id - 1], kind, at_ns);
  connection->free[connection->free_count++] = (uint16_t)(id - 1);
}

static void lose(struct connection *connection, uint64_t at_ns) {
  close(connection->fd);
  for (unsigned at = 0; at < options.depth; at++)
    if (connection->requests[at].is_pending) count(&connection->requests[at], CLOSED, at_ns);
  open_connection(connection, 0);
}

static void receive(struct connection *connection) {
  ssize_t got = recv(connection->fd, connection->input + connection->held, INPUT_BYTES - connection->held, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  uint64_t at_ns = now_ns();
  if (got <= 0) {
    lose(connection, at_ns);
    return;
  }
  char *input = connection->input;
  size_t length = connection->held + (size_t)got, from = 0;
  for (char *end; (end = memchr(input + from, '\n', length - from)) != NULL; from = (size_t)(end - input) + 1)
    take_line(connection, input + from, end, at_ns);
  connection->held = length - from;
  memmove(input, input + from, connection->held);
}

/* Begins what is due at a fixed rate on connections in turn; gives when the next is due, or UINT64_MAX. */
static uint64_t dispatch(uint64_t start_ns, uint64_t at_ns) {
  static unsigned turn;
  double gap_ns = 1e9 / options.rate;
  for (;;) {
    uint64_t due_ns = start_ns + (uint64_t)((double)begun * gap_ns);
    if (is_over(due_ns)) return UINT64_MAX;
    if (due_ns > at_ns) return due_ns;
    unsigned tried = 0;
    while (tried < options.connections && connections[turn].free_count == 0) {
      turn = (turn + 1) % options.connections;
      tried++;
    }
    /* It waits for an answer, and its latency goes on from when it was due. */
    if (tried == options.connections) return UINT64_MAX;
    fill(&connections[turn], due_ns, 1);
    turn = (turn + 1) % options.connections;
  }
}

static void run(uint64_t start_ns) {
  struct epoll_event events[512];
  uint64_t last_ns = options.logins > 0 ? UINT64_MAX : end_ns + LEAVE_NS;
  if (options.rate == 0)
    for (unsigned at = 0; at < options.connections; at++) fill(&connections[at], now_ns(), options.depth);
  for (uint64_t heard_ns = start_ns;;) {
    uint64_t at_ns = now_ns();
    uint64_t wake_ns = options.rate > 0 ? dispatch(start_ns, at_ns) : UINT64_MAX;
    if ((in_flight == 0 && is_over(at_ns)) || at_ns >= last_ns) return;
    if (at_ns - heard_ns > GIVE_UP_NS) die(69, "%s", "no answer for 60 s");
    if (options.logins == 0 && at_ns < end_ns && end_ns < wake_ns) wake_ns = end_ns;
    uint64_t wait_ns = wake_ns <= at_ns ? 0 : wake_ns - at_ns < 100000000 ? wake_ns - at_ns : 100000000;
    struct timespec wait = {0, (long)wait_ns};
    int ready = epoll_pwait2(poller, events, 512, &wait, NULL);
    if (ready > 0) heard_ns = at_ns;
    for (int at = 0; at < ready; at++) {
      struct connection *connection = events[at].data.ptr;
      receive(connection);
      if (options.rate == 0) fill(connection, now_ns(), options.depth);
    }
  }
}

int main(int argument_count, char **arguments) {
  options = read_options(argument_count, arguments);
  credentials = read_credentials(options.credentials);
  connections = calloc(options.connections, sizeof *connections);
  if (connections == NULL) die(71, "%s", "no memory");
  if (options.samples != NULL && (samples = fopen(options.samples, "w")) == NULL)
    die(73, "%s: cannot be written", options.samples);
  poller = epoll_create1(0);
  for (unsigned at = 0; at < options.connections; at++) open_connection(&connections[at], 1);

  uint64_t start_ns = now_ns();
  end_ns = start_ns + options.run_ns;
  run(start_ns);
  double seconds = (double)(now_ns() - start_ns) / 1e9;
  if (samples != NULL && fclose(samples) != 0) die(74, "%s: not written", options.samples);

  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  double cpu_us = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
                  (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
  printf("{\"seconds\":%.6f,\"answers\":%lu", seconds, (unsigned long)latencies.total);
  for (int kind = 0; kind < KINDS; kind++) printf(",\"%s\":%lu", KIND_NAMES[kind], (unsigned long)answers[kind]);
  printf(",\"left\":%lu,\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f,\"client_cpu_us\":%.0f}\n",
         (unsigned long)in_flight, quantile_us(&latencies, 0.5), quantile_us(&latencies, 0.9),
         quantile_us(&latencies, 0.99), quantile_us(&latencies, 0.999), (double)latencies.max_ns / 1000, cpu_us);
  return 0;
}
