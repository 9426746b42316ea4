/* One image for the containers of a pod, which show that they share files and a network.
 *
 * copy FROM TO        copies a file and ends
 * serve PORT FILE     answers every request with the file as it is now
 * relay PORT TARGET   answers with what 127.0.0.1:TARGET answers
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void end(int signal_number)
{
    (void)signal_number;
    _exit(0);
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int pass(int from, int to)
{
    char buffer[4096];
    int got;

    while ((got = read(from, buffer, sizeof buffer)) > 0)
        if (write(to, buffer, got) != got)
            return -1;
    return got;
}

static int copy(const char *from, const char *to)
{
    int source = open(from, O_RDONLY), target;

    if (source < 0)
        fail(from);
    target = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (target < 0 || pass(source, target) < 0)
        fail(to);
    return 0;
}

static struct sockaddr_in address_of(const char *port, in_addr_t host)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};

    address.sin_addr.s_addr = htonl(host);
    return address;
}

static void read_request(int client)
{
    struct timeval patience = {.tv_sec = 2};
    char request[4096];
    int length = 0, got;

    setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    while ((got = read(client, request + length, sizeof request - 1 - length)) > 0) {
        length += got;
        request[length] = '\0';
        if (strstr(request, "\r\n\r\n") != NULL)
            return;
    }
}

static void answer_file(int client, const char *path)
{
    static const char head[] = "HTTP/1.0 200 OK\r\n\r\n", missing[] = "HTTP/1.0 404 Not Found\r\n\r\n";
    int file = open(path, O_RDONLY);

    if (file < 0) {
        if (write(client, missing, sizeof missing - 1) < 0)
            perror("write");
        return;
    }
    if (write(client, head, sizeof head - 1) < 0 || pass(file, client) < 0)
        perror("write");
    close(file);
}

static void answer_relayed(int client, const char *port)
{
    static const char request[] = "GET / HTTP/1.0\r\n\r\n";
    struct sockaddr_in address = address_of(port, INADDR_LOOPBACK);
    int server = socket(AF_INET, SOCK_STREAM, 0);

    if (connect(server, (struct sockaddr *)&address, sizeof address) < 0
        || write(server, request, sizeof request - 1) < 0 || pass(server, client) < 0)
        perror(port);
    close(server);
}

int main(int count, char **arguments)
{
    struct sockaddr_in address;
    int yes = 1, listener, client;

    signal(SIGTERM, end);
    signal(SIGINT, end);
    signal(SIGPIPE, SIG_IGN);
    if (count != 4) {
        fprintf(stderr, "copy FROM TO, serve PORT FILE, or relay PORT TARGET\n");
        return 2;
    }
    if (strcmp(arguments[1], "copy") == 0)
        return copy(arguments[2], arguments[3]);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    address = address_of(arguments[2], INADDR_ANY);
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) < 0
        || bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 16) < 0)
        fail("listen");
    for (;;) {
        client = accept(listener, NULL, NULL);
        if (client < 0)
            continue;
        read_request(client);
        if (strcmp(arguments[1], "serve") == 0)
            answer_file(client, arguments[3]);
        else
            answer_relayed(client, arguments[3]);
        close(client);
    }
}
