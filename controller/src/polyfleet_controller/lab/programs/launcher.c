/* What a shell does with the last line of an entrypoint script: execute the program that it names.
 *
 * The last argument is the script; its last line is a path.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int count, char **arguments)
{
    char line[256] = "";
    FILE *script = fopen(arguments[count - 1], "r");

    if (script == NULL) {
        perror(arguments[count - 1]);
        return 127;
    }
    while (fgets(line, sizeof line, script) != NULL)
        line[strcspn(line, "\n")] = '\0';
    fclose(script);
    execl(line, line, (char *)NULL);
    perror(line);
    return 126;
}
