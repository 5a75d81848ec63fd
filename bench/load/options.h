/* The client's arguments. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdint.h>
#include <unistd.h>
#include "address.h"
#include "credentials.h"

#define MAX_CONNECTIONS 20000
#define MAX_DEPTH 256

struct options {
  struct address address;
  const char *credentials;
  unsigned connections;
  /* Requests in flight on each connection. */
  unsigned depth;
  /* One of both is 0. */
  uint64_t run_ns;
  uint64_t logins;
  /* Logins a second that are begun, whether others were answered or not; 0: as many as are answered. */
  double rate;
  const char *samples;
};

static const char USAGE[] =
    "usage: client [options] ADDRESS CREDENTIALS\n"
    "\n"
    "Logs in at a server of Dovecot's auth protocol, as Postfix does, and prints what came back as JSON.\n"
    "ADDRESS is unix:PATH or IPv4:PORT; CREDENTIALS a file of lines `user TAB password TAB remote address`, used in turn.\n"
    "\n"
    "  -c N     connections (1)\n"
    "  -d N     requests in flight on each (1, at most 256)\n"
    "  -s SEC   for so long (1)\n"
    "  -n N     or until so many were answered\n"
    "  -r RATE  begin so many a second, whether others were answered or not; latency counts from when one was due\n"
    "  -o FILE  write each answer there: `credential TAB kind TAB microseconds`\n";

static inline double positive(const char *text, double most) {
  char *end;
  double value = strtod(text, &end);
  if (*end != 0 || !(value > 0) || value > most) die(64, "%s: not a number that is possible here", text);
  return value;
}

static inline struct options read_options(int count, char **arguments) {
  struct options options = {.connections = 1, .depth = 1, .run_ns = 1000000000};
  for (int option; (option = getopt(count, arguments, "c:d:s:n:r:o:h")) != -1;) {
    switch (option) {
      case 'c': options.connections = (unsigned)positive(optarg, MAX_CONNECTIONS); break;
      case 'd': options.depth = (unsigned)positive(optarg, MAX_DEPTH); break;
      case 's': options.run_ns = (uint64_t)(positive(optarg, 86400) * 1e9); break;
      case 'n': options.logins = (uint64_t)positive(optarg, 1e12); break;
      case 'r': options.rate = positive(optarg, 1e7); break;
      case 'o': options.samples = optarg; break;
      case 'h': fputs(USAGE, stdout); exit(0);
      default: fputs(USAGE, stderr); exit(64);
    }
  }
  if (options.logins > 0) options.run_ns = 0;
  if (count - optind != 2) {
    fputs(USAGE, stderr);
    exit(64);
  }
  if (!parse_address(arguments[optind], &options.address)) die(64, "%s: no address", arguments[optind]);
  options.credentials = arguments[optind + 1];
  return options;
}

#endif
