/* A workload that answers its probes as it is told.
 *
 * GET /set/NAME/503   from now on NAME answers with 503
 * GET /NAME           answers so, with 200 if nothing was said; at first, as the variable NAME says
 * GET /hang, /drip    never answers, or never to the end
 * check NAME          ends with 0 where NAME answers below 400, else with 1 and a word about it
 * hang                never ends
 *
 * It listens on PORT (default 8080).
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LONGEST 64

static void end(int signal_number)
{
    (void)signal_number;
    _exit(0);
}

static int read_status(const char *name)
{
    char path[LONGEST + 16];
    const char *first = getenv(name);
    int status = first == NULL ? 200 : atoi(first);
    FILE *file;

    snprintf(path, sizeof path, "/status-%s", name);
    file = fopen(path, "r");
    if (file == NULL)
        return status;
    if (fscanf(file, "%d", &status) != 1)
        status = 500;
    fclose(file);
    return status;
}

static int write_status(const char *name, int status)
{
    char path[LONGEST + 16], draft[LONGEST + 16];
    FILE *file;

    snprintf(path, sizeof path, "/status-%s", name);
    snprintf(draft, sizeof draft, "/draft-%s", name);
    file = fopen(draft, "w");
    if (file == NULL)
        return 500;
    fprintf(file, "%d\n", status);
    fclose(file);
    return rename(draft, path) == 0 ? 200 : 500;
}

static void drip(int client)
{
    if (write(client, "HTTP/1.1 200 OK\r\nX-Drops: ", 26) < 0)
        _exit(0);
    for (;;) {
        usleep(100 * 1000);
        if (write(client, ".", 1) < 0)
            _exit(0);
    }
}

static void answer(int client)
{
    char request[4096], name[LONGEST], reply[256];
    int length = 0, got, status;

    do {
        got = read(client, request + length, sizeof request - 1 - length);
        if (got <= 0)
            return;
        length += got;
        request[length] = '\0';
    } while (strstr(request, "\r\n\r\n") == NULL);
    if (strncmp(request, "GET /hang ", 10) == 0)
        for (;;)
            pause();
    if (strncmp(request, "GET /drip ", 10) == 0)
        drip(client);
    if (sscanf(request, "GET /set/%63[a-z]/%d", name, &status) == 2)
        status = write_status(name, status);
    else if (sscanf(request, "GET /%63[a-z]", name) == 1)
        status = read_status(name);
    else
        status = 404;
    snprintf(reply, sizeof reply,
             "HTTP/1.1 %d Told\r\nLocation: http://203.0.113.1/\r\nContent-Length: 0\r\n"
             "Connection: close\r\n\r\n", status);
    if (write(client, reply, strlen(reply)) < 0)
        perror("write");
}

static int listen_on(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int yes = 1, listener = socket(AF_INET, SOCK_STREAM, 0);

    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) < 0
        || bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 16) < 0) {
        perror("listen");
        exit(1);
    }
    return listener;
}

int main(int count, char **arguments)
{
    const char *port = getenv("PORT");
    int listener, client;

    signal(SIGTERM, end);
    signal(SIGINT, end);
    signal(SIGCHLD, SIG_IGN);
    if (count == 2 && strcmp(arguments[1], "hang") == 0)
        for (;;)
            pause();
    if (count == 3 && strcmp(arguments[1], "check") == 0) {
        int status = read_status(arguments[2]);

        printf("%s is %d\n", arguments[2], status);
        return status < 400 ? 0 : 1;
    }
    listener = listen_on(port == NULL ? 8080 : atoi(port));
    for (;;) {
        client = accept(listener, NULL, NULL);
        if (client < 0)
            continue;
        if (fork() == 0) {
            close(listener);
            answer(client);
            _exit(0);
        }
        close(client);
    }
}
