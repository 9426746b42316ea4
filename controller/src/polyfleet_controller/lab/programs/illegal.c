/* A program that executes an instruction which no processor of its architecture has. */
int main(void)
{
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
