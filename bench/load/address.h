/* `unix:PATH` or `IPv4:PORT` as a socket address. Gives 0 where it is neither. */
#ifndef ADDRESS_H
#define ADDRESS_H

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

struct address {
  struct sockaddr_storage storage;
  socklen_t length;
};

static inline int parse_address(const char *text, struct address *address) {
  memset(address, 0, sizeof *address);
  if (strncmp(text, "unix:", 5) == 0) {
    struct sockaddr_un *local = (struct sockaddr_un *)&address->storage;
    if (strlen(text + 5) >= sizeof local->sun_path) return 0;
    local->sun_family = AF_UNIX;
    strcpy(local->sun_path, text + 5);
    address->length = sizeof *local;
    return 1;
  }
  const char *colon = strrchr(text, ':');
  char host[INET_ADDRSTRLEN];
  struct sockaddr_in *inet = (struct sockaddr_in *)&address->storage;
  if (colon == NULL || (size_t)(colon - text) >= sizeof host) return 0;
  memcpy(host, text, (size_t)(colon - text));
  host[colon - text] = 0;
  inet->sin_family = AF_INET;
  inet->sin_port = htons((uint16_t)atoi(colon + 1));
  address->length = sizeof *inet;
  return inet_pton(AF_INET, host, &inet->sin_addr) == 1;
}

#endif
