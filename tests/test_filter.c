/* test_filter.c - the filters of system calls that a child computes under, of both processors, run
 * by an interpreter of their own: every call number, the wrong processor, every protection of
 * memory, every descriptor. The kernel runs this machine's in test_child. T55. */
#define _GNU_SOURCE
#include <criterion/criterion.h>

#include "../referee/child.c"

#if HAS_SECCOMP

enum { FD = 7 };

/* Classic BPF as far as filters may use it; anything else, or a way out of the program, fails. */
static uint32_t interpret(const struct sock_filter *f, uint32_t n, const struct seccomp_data *d)
{
    uint32_t a = 0;
    for (uint32_t pc = 0;; pc++) {
        cr_assert_lt(pc, n, "the filter is left without a verdict");
        uint32_t k = f[pc].k, yes = 0;
        switch (f[pc].code) {
        case BPF_LD | BPF_W | BPF_ABS:
            cr_assert(k % 4 == 0 && k + 4 <= sizeof *d);
            memcpy(&a, (const uint8_t *)d + k, 4);
            continue;
        case BPF_RET | BPF_K: return k;
        case BPF_JMP | BPF_JEQ | BPF_K: yes = a == k; break;
        case BPF_JMP | BPF_JSET | BPF_K: yes = (a & k) != 0; break;
        case BPF_JMP | BPF_JGE | BPF_K: yes = a >= k; break;
        default: cr_assert_fail("instruction %u is %x", pc, f[pc].code);
        }
        pc += yes ? f[pc].jt : f[pc].jf;
    }
}

typedef struct { struct sock_filter f[FILTER_MAX]; uint32_t n, arch; } program;

static program filter_of(int machine)
{
    program p;
    memset(&p, 0, sizeof p);
    p.n = make_filter(machine, FD, p.f);
    p.arch = ARCH[machine];
    cr_assert(p.n > 10 && p.n <= BPF_MAXINSNS);
    return p;
}

static uint64_t mapped = UINT32_MAX; /* the descriptor that mmap is given: none */

static uint32_t verdict(const program *p, uint32_t arch, uint32_t nr, uint64_t arg0, uint64_t arg2)
{
    struct seccomp_data d;
    memset(&d, 0, sizeof d);
    d.nr = (int)nr;
    d.arch = arch;
    d.args[0] = arg0;
    d.args[2] = arg2;
    d.args[4] = mapped;
    return interpret(p->f, p->n, &d);
}

/* Written down a second time, from the tables of the kernel. */
static const struct {
    uint32_t allowed[12], sanitizer[4], refused[2], refused_count, memory[2], write;
} CALLS[MACHINES] = {
    {{12, 11, 24, 25, 28, 15, 60, 202, 204, 228, 231, 318}, {14, 39, 131, 186}, {2, 257}, 2,
     {9, 10}, 1},
    {{93, 94, 98, 113, 123, 124, 139, 214, 215, 216, 233, 278}, {132, 135, 172, 178}, {56}, 1,
     {222, 226}, 64},
};

static int among(const uint32_t *list, uint32_t count, uint32_t nr)
{
    for (uint32_t k = 0; k < count; k++)
        if (list[k] == nr) return 1;
    return 0;
}

static uint32_t want(int machine, uint32_t nr)
{
    if (among(CALLS[machine].allowed, 12, nr)) return SECCOMP_RET_ALLOW;
    if (SANITIZED && among(CALLS[machine].sanitizer, 4, nr)) return SECCOMP_RET_ALLOW;
    if (among(CALLS[machine].refused, CALLS[machine].refused_count, nr))
        return SECCOMP_RET_ERRNO | EPERM;
    if (among(CALLS[machine].memory, 2, nr)) return SECCOMP_RET_ALLOW; /* not executable here */
    return SECCOMP_RET_KILL_PROCESS; /* write too: descriptor 0 is not the caller */
}

Test(filter, T55_every_call_of_both_processors)
{
    for (int machine = 0; machine < MACHINES; machine++) {
        program p = filter_of(machine);
        uint32_t let = 0;
        for (uint32_t nr = 0; nr <= 1024; nr++) {
            cr_assert_eq(verdict(&p, p.arch, nr, 0, 0), want(machine, nr), "call %u", nr);
            let += verdict(&p, p.arch, nr, FD, 0) == SECCOMP_RET_ALLOW;
        }
        cr_assert_eq(let, 12 + 2 + 1 + (SANITIZED ? 4 : 0));
    }
}

Test(filter, T55_other_processors_and_other_tables_of_calls)
{
    const uint32_t others[] = {0, AUDIT_ARCH_I386, AUDIT_ARCH_ARM, AUDIT_ARCH_X86_64,
                               AUDIT_ARCH_AARCH64, UINT32_MAX};
    for (int machine = 0; machine < MACHINES; machine++) {
        program p = filter_of(machine);
        for (uint32_t nr = 0; nr <= 1024; nr++) {
            for (size_t k = 0; k < sizeof others / sizeof *others; k++)
                if (others[k] != p.arch)
                    cr_assert_eq(verdict(&p, others[k], nr, FD, 0), SECCOMP_RET_KILL_PROCESS);
            /* x32, and numbers that are negative */
            cr_assert_eq(verdict(&p, p.arch, nr | 0x40000000, FD, 0), SECCOMP_RET_KILL_PROCESS);
            cr_assert_eq(verdict(&p, p.arch, nr | 0x80000000, FD, 0), SECCOMP_RET_KILL_PROCESS);
            cr_assert_eq(verdict(&p, p.arch, ~nr, FD, 0), SECCOMP_RET_KILL_PROCESS);
        }
    }
}

/* Never executable, whatever else; the kernel takes 32 bits of a descriptor and of a protection. */
Test(filter, T55_what_a_call_is_given)
{
    const uint64_t high = UINT64_C(0xffffffff00000000);
    for (int machine = 0; machine < MACHINES; machine++) {
        program p = filter_of(machine);
        for (uint32_t k = 0; k < 2; k++)
            for (uint64_t prot = 0; prot < 64; prot++)
                for (int up = 0; up < 2; up++)
                    cr_assert_eq(verdict(&p, p.arch, CALLS[machine].memory[k], 0,
                                         prot | (up ? high : 0)),
                                 prot & 4 ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ALLOW);
        for (uint32_t fd = 0; fd < 300; fd++) { /* of no file, by whatever number */
            mapped = fd | (fd % 2 ? high : 0);
            cr_assert_eq(verdict(&p, p.arch, CALLS[machine].memory[0], 0, 3),
                         SECCOMP_RET_KILL_PROCESS);
            cr_assert_eq(verdict(&p, p.arch, CALLS[machine].memory[1], 0, 3), SECCOMP_RET_ALLOW);
        }
        mapped = UINT64_MAX; /* as -1 is passed */
        cr_assert_eq(verdict(&p, p.arch, CALLS[machine].memory[0], 0, 3), SECCOMP_RET_ALLOW);
        mapped = UINT32_MAX;
        for (uint32_t fd = 0; fd < 300; fd++) {
            int ours = fd == FD || (SANITIZED && fd == STDERR_FILENO);
            cr_assert_eq(verdict(&p, p.arch, CALLS[machine].write, fd, 0),
                         ours ? SECCOMP_RET_ALLOW : SECCOMP_RET_KILL_PROCESS, "to %u", fd);
        }
        cr_assert_eq(verdict(&p, p.arch, CALLS[machine].write, UINT32_MAX, 0),
                     SECCOMP_RET_KILL_PROCESS);
    }
}

#else

Test(filter, there_is_none_here) { cr_skip("no seccomp on this system"); }

#endif
