/* A workload for a fleet of many architectures: an HTTP server that says which one it was compiled for.
 *
 * GET anything -> 200, {"platform": "linux/arm/v7", "version": "1"}
 *
 * PORT (default 8080) is where it listens. EXIT_CODE, if set, makes it end at once with that code.
 * The version is the first line of /version. It may be PID 1, where a signal without a handler is ignored.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#if defined(__x86_64__)
#define PLATFORM "linux/amd64"
#elif defined(__aarch64__)
#define PLATFORM "linux/arm64"
#elif defined(__arm__) && __ARM_ARCH == 7
#define PLATFORM "linux/arm/v7"
#elif defined(__riscv) && __riscv_xlen == 64
#define PLATFORM "linux/riscv64"
#else
#error "a platform this image is not built for"
#endif

static void end(int signal_number)
{
    (void)signal_number;
    _exit(0);
}

static void read_version(char *version, int size)
{
    FILE *file = fopen("/version", "r");
    if (file == NULL || fgets(version, size, file) == NULL)
        strcpy(version, "unknown");
    if (file != NULL)
        fclose(file);
    version[strcspn(version, "\n")] = '\0';
}

static int listen_on(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int yes = 1;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) < 0
        || bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 16) < 0) {
        perror("listen");
        exit(1);
    }
    return listener;
}

static void answer(int client, const char *version)
{
    char request[4096], body[256], reply[512];
    struct timeval patience = {.tv_sec = 2};
    int length = 0, got;

    setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    while (length < (int)sizeof request - 1) {
        got = read(client, request + length, sizeof request - 1 - length);
        if (got <= 0)
            return;
        length += got;
        request[length] = '\0';
        if (strstr(request, "\r\n\r\n") != NULL)
            break;
    }
    snprintf(body, sizeof body, "{\"platform\": \"%s\", \"version\": \"%s\"}\n", PLATFORM, version);
    snprintf(reply, sizeof reply,
             "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
             "Connection: close\r\n\r\n%s", strlen(body), body);
    if (write(client, reply, strlen(reply)) < 0)
        perror("write");
}

int main(void)
{
    const char *exit_code = getenv("EXIT_CODE");
    const char *port = getenv("PORT");
    char version[64];
    int listener, client;

    signal(SIGTERM, end);
    signal(SIGINT, end);
    signal(SIGPIPE, SIG_IGN);
    read_version(version, sizeof version);
    printf("%s version %s\n", PLATFORM, version);
    fflush(stdout);
    if (exit_code != NULL)
        return atoi(exit_code);
    listener = listen_on(port == NULL ? 8080 : atoi(port));
    for (;;) {
        client = accept(listener, NULL, NULL);
        if (client < 0)
            continue;
        answer(client, version);
        close(client);
    }
}
