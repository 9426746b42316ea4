/* A shell in small: what it starts executes an instruction which no processor has, and it ends as shells do.
 * Under QEMU, process 1 of a container would outlive a signal that it sends to itself. */
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
#if defined(__x86_64__)
        __asm__ volatile("ud2");
#elif defined(__aarch64__)
        __asm__ volatile(".inst 0x00000000");
#elif defined(__arm__)
        __asm__ volatile(".inst 0xe7f000f0");
#elif defined(__riscv)
        __asm__ volatile(".word 0x00000000");
#else
#error "a platform this program is not written for"
#endif
        return 0;
    }
    if (child < 0 || waitpid(child, &status, 0) < 0)
        return 1;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
