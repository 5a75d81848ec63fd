/*
 * Who logs in: a file of lines `user TAB password TAB remote address`, made into what stands behind the id of an AUTH line,
 * as Postfix sends it, once and before anything is timed.
 */
#ifndef CREDENTIALS_H
#define CREDENTIALS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TAIL_BYTES 1024

struct tail {
  char *text;
  size_t length;
};

struct credentials {
  struct tail *tails;
  size_t count;
};

static inline void die(int code, const char *format, const char *what) {
  fprintf(stderr, "client: ");
  fprintf(stderr, format, what);
  fputc('\n', stderr);
  exit(code);
}

/* RFC 4648 §4. `to` has room for 4 bytes for each 3, and one more. */
static inline void base64(const unsigned char *from, size_t length, char *to) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  size_t at = 0;
  for (; at + 2 < length; at += 3) {
    unsigned bits = (unsigned)from[at] << 16 | (unsigned)from[at + 1] << 8 | from[at + 2];
    for (int shift = 18; shift >= 0; shift -= 6) *to++ = digits[bits >> shift & 63];
  }
  if (at < length) {
    unsigned bits = (unsigned)from[at] << 16 | (at + 1 < length ? (unsigned)from[at + 1] << 8 : 0);
    *to++ = digits[bits >> 18 & 63];
    *to++ = digits[bits >> 12 & 63];
    *to++ = at + 1 < length ? digits[bits >> 6 & 63] : '=';
    *to++ = '=';
  }
  *to = 0;
}

/* RFC 4616 §2: an empty authorization identity, NUL, the name, NUL, the password. */
static inline struct tail make_tail(const char *user, const char *password, const char *remote) {
  unsigned char message[512];
  char encoded[700], text[MAX_TAIL_BYTES];
  size_t name = strlen(user), secret = strlen(password);
  if (name + secret + 2 > sizeof message) die(65, "the credential of %s is too long", user);
  message[0] = 0;
  memcpy(message + 1, user, name);
  message[name + 1] = 0;
  memcpy(message + name + 2, password, secret);
  base64(message, name + secret + 2, encoded);
  int length = snprintf(text, sizeof text, "\tPLAIN\tservice=smtp\tnologin\tlip=192.0.2.1\trip=%s\tsecured\tresp=%s\n",
                        remote, encoded);
  if (length < 0 || (size_t)length >= sizeof text) die(65, "the credential of %s is too long", user);
  struct tail tail = {strdup(text), (size_t)length};
  return tail;
}

static inline struct credentials read_credentials(const char *path) {
  FILE *file = fopen(path, "r");
  if (file == NULL) die(66, "%s: cannot be read", path);
  struct credentials all = {NULL, 0};
  size_t room = 0;
  char line[1024];
  while (fgets(line, sizeof line, file) != NULL) {
    line[strcspn(line, "\n")] = 0;
    char *user = line, *password = strchr(line, '\t'), *remote = password ? strchr(password + 1, '\t') : NULL;
    if (remote == NULL) die(65, "%s: a line is not `user TAB password TAB address`", path);
    *password++ = 0;
    *remote++ = 0;
    if (all.count == room) {
      room = room == 0 ? 1024 : room * 2;
      all.tails = realloc(all.tails, room * sizeof *all.tails);
      if (all.tails == NULL) die(71, "%s: no memory", path);
    }
    all.tails[all.count++] = make_tail(user, password, remote);
  }
  fclose(file);
  if (all.count == 0) die(65, "%s: nobody is in it", path);
  return all;
}

#endif
