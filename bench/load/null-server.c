/*
 * A server of Dovecot's auth protocol that checks nothing and lets everybody in: how fast the load client could go at all.
 *
 *   null-server unix:PATH | IPv4:PORT      prints `ready`, runs until it is ended
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "address.h"

#define MAX_CONNECTIONS 1024
#define INPUT_BYTES 65536

static const char HANDSHAKE[] = "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\n"
                                "COOKIE\t00000000000000000000000000000000\nDONE\n";

/* What is left of a line whose end has not come yet, by descriptor. */
static struct {
  char text[1024];
  size_t length;
} held[MAX_CONNECTIONS];

/* Answers each whole AUTH line of `input`; gives how many bytes were lines. */
static size_t answer(int fd, char *input, size_t length) {
  static char output[INPUT_BYTES * 5];
  size_t from = 0, written = 0;
  for (char *end; (end = memchr(input + from, '\n', length - from)) != NULL; from = (size_t)(end - input) + 1) {
    if (strncmp(input + from, "AUTH\t", 5) != 0) continue;
    char *id = input + from + 5, *id_end = memchr(id, '\t', (size_t)(end - id));
    if (id_end == NULL || id_end - id > 10) continue;
    memcpy(output + written, "OK\t", 3);
    memcpy(output + written + 3, id, (size_t)(id_end - id));
    written += 3 + (size_t)(id_end - id);
    memcpy(output + written, "\tuser=user@example.org\n", 23);
    written += 23;
  }
  for (size_t sent = 0; sent < written;) {
    ssize_t now = write(fd, output + sent, written - sent);
    if (now <= 0) break;
    sent += (size_t)now;
  }
  return from;
}

/* Gives 0 once the client has gone. */
static int receive(int fd) {
  static char input[INPUT_BYTES];
  memcpy(input, held[fd].text, held[fd].length);
  ssize_t got = recv(fd, input + held[fd].length, sizeof input - held[fd].length, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 1;
  if (got <= 0) return 0;
  size_t length = held[fd].length + (size_t)got, used = answer(fd, input, length);
  held[fd].length = length - used;
  if (held[fd].length > sizeof held[fd].text) return 0;
  memcpy(held[fd].text, input + used, held[fd].length);
  return 1;
}

int main(int count, char **arguments) {
  struct address address;
  if (count != 2 || !parse_address(arguments[1], &address)) {
    fprintf(stderr, "usage: null-server unix:PATH | IPv4:PORT\n");
    return 64;
  }
  int listener = socket(address.storage.ss_family, SOCK_STREAM, 0), on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener, (struct sockaddr *)&address.storage, address.length) != 0 || listen(listener, 1024) != 0) {
    perror("null-server");
    return 71;
  }
  int epoll = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[256];
  epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
  puts("ready");
  fflush(stdout);
  for (;;) {
    int ready = epoll_wait(epoll, events, 256, -1);
    for (int at = 0; at < ready; at++) {
      int fd = events[at].data.fd;
      if (fd != listener) {
        if (!receive(fd)) close(fd);
        continue;
      }
      int client = accept(listener, NULL, NULL);
      if (client < 0) continue;
      if (client >= MAX_CONNECTIONS) {
        close(client);
        continue;
      }
      setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      held[client].length = 0;
      if (write(client, HANDSHAKE, sizeof HANDSHAKE - 1) < 0) continue;
      event.data.fd = client;
      epoll_ctl(epoll, EPOLL_CTL_ADD, client, &event);
    }
  }
}
