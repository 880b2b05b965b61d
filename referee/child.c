/* child.c - a child with limits, and the one answer that comes back from it.
 *
 * What this file decides: which system calls computing needs, and which end of a child is what
 * fault.
 *
 * Invariants
 *   1. The child leaves by _exit alone: nothing of the caller's is flushed, written or run twice.
 *   2. Threads are started before the filter, which covers them all: none can be started after it.
 *   3. The frame's room is taken before the limits: a child without memory can say so. */
#define _GNU_SOURCE
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../verde/bytes.h"

#if defined(__linux__)
#include <sys/prctl.h>
#include <sys/syscall.h>
#if defined(__x86_64__) || defined(__aarch64__)
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#if defined(SYS_seccomp) && defined(SECCOMP_FILTER_FLAG_TSYNC) && defined(SECCOMP_RET_KILL_PROCESS)
#define HAS_SECCOMP 1
#endif
#endif
#endif

/* A sanitizer maps terabytes of shadow memory, so no limit of addresses can be kept there; and it
 * reports to stderr. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

int rf_is_fault(ro_status st) { return st == RO_EDEVICE || st == RO_ENOMEM; }

/* ---- frames ----------------------------------------------------------------------------- */

#define FRAME_TAG "verde/1 answer of a child"
static const char FRAME_MAGIC[8] = {'V', 'E', 'R', 'D', 'E', 'R', 'E', 'S'};

size_t rf_frame_write(const ro_err *e, const uint8_t *result, size_t size, uint8_t *bytes)
{
    vd_out o = {bytes, 0};
    ro_status st = e ? e->code : RO_OK;
    size_t text = st ? strnlen(e->msg, RF_FRAME_TEXT_MAX) : 0;
    if (st) size = 0;
    vd_out_bytes(&o, FRAME_MAGIC, sizeof FRAME_MAGIC);
    vd_out_u32(&o, (uint32_t)st);
    vd_out_u32(&o, (uint32_t)text);
    vd_out_u64(&o, size);
    if (text) vd_out_bytes(&o, e->msg, text);
    if (size) vd_out_bytes(&o, result, size);
    vd_tagged_hash(FRAME_TAG, bytes, o.n, bytes + o.n);
    return o.n + VD_DIGEST;
}

int rf_frame_read(const uint8_t *bytes, size_t n, size_t size, uint8_t *result, ro_err *got)
{
    uint8_t hash[VD_DIGEST];
    if (n < RF_FRAME_HEAD + VD_DIGEST || n > RF_FRAME_MAX(size)) return 0;
    vd_in in = {bytes, n - VD_DIGEST, 0, 0};
    const uint8_t *magic = vd_in_bytes(&in, sizeof FRAME_MAGIC);
    uint32_t st = vd_in_u32(&in), text = vd_in_u32(&in);
    uint64_t bytes_of_result = vd_in_u64(&in);
    if (memcmp(magic, FRAME_MAGIC, sizeof FRAME_MAGIC) != 0 || st > RO_EDEVICE) return 0;
    if (text > (st ? RF_FRAME_TEXT_MAX : 0) || bytes_of_result != (st ? 0 : size)) return 0;
    const uint8_t *said = vd_in_bytes(&in, text), *r = vd_in_bytes(&in, bytes_of_result);
    if (in.bad || vd_in_left(&in)) return 0;
    vd_tagged_hash(FRAME_TAG, bytes, n - VD_DIGEST, hash);
    if (memcmp(hash, bytes + n - VD_DIGEST, VD_DIGEST) != 0) return 0;
    if (!st && size) memcpy(result, r, size);
    got->code = (ro_status)st;
    for (uint32_t k = 0; k < text; k++)
        got->msg[k] = said[k] >= 32 && said[k] < 127 ? (char)said[k] : '?';
    got->msg[text] = 0;
    return 1;
}

/* ---- the filter ------------------------------------------------------------------------- */

#if HAS_SECCOMP

#define WORD(field) ((uint32_t)offsetof(struct seccomp_data, field))
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define LOW 4u
#else
#define LOW 0u
#endif
#define LOAD(at) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (at))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define EQUAL(k, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(k), (yes), (no))
#define ANY_BIT(k, yes, no) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (uint32_t)(k), (yes), (no))
#define AT_LEAST(k, yes, no) BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (uint32_t)(k), (yes), (no))

/* The numbers of system calls on both processors: so both filters can be tried on either. */
enum { X86_64, AARCH64, MACHINES };
static const uint32_t ARCH[MACHINES] = {AUDIT_ARCH_X86_64, AUDIT_ARCH_AARCH64};
#if defined(__x86_64__)
#define THIS_MACHINE X86_64
#else
#define THIS_MACHINE AARCH64
#endif

/* NUMBER(name, on x86-64, on aarch64); -1: there is none. ALLOWED: memory that is not executable,
 * waiting for each other, the time, and the end. REFUSED: some C libraries look for the count of
 * processors in /sys when memory is short, and do without: a refusal is enough. Whoever calls
 * anything else is no computation, and is killed. */
#define ALLOWED_CALLS(NUMBER)                                                                   \
    NUMBER(brk, 12, 214) NUMBER(munmap, 11, 215) NUMBER(mremap, 25, 216)                        \
    NUMBER(madvise, 28, 233) NUMBER(futex, 202, 98) NUMBER(sched_yield, 24, 124)                \
    NUMBER(sched_getaffinity, 204, 123) NUMBER(clock_gettime, 228, 113)                         \
    NUMBER(getrandom, 318, 278) NUMBER(rt_sigreturn, 15, 139) NUMBER(exit, 60, 93)              \
    NUMBER(exit_group, 231, 94)
#define SANITIZER_CALLS(NUMBER)                                                                 \
    NUMBER(getpid, 39, 172) NUMBER(gettid, 186, 178) NUMBER(sigaltstack, 131, 132)              \
    NUMBER(rt_sigprocmask, 14, 135)
#define OTHER_CALLS(NUMBER)                                                                     \
    NUMBER(openat, 257, 56) NUMBER(mmap, 9, 222) NUMBER(mprotect, 10, 226) NUMBER(write, 1, 64)
#define CHECK(name, x, a) _Static_assert(SYS_##name == (THIS_MACHINE == X86_64 ? (x) : (a)), #name);
ALLOWED_CALLS(CHECK)
SANITIZER_CALLS(CHECK)
OTHER_CALLS(CHECK)
#define ROW(name, x, a) {x, a},
static const int allowed[][MACHINES] = {
    ALLOWED_CALLS(ROW)
#if SANITIZED
    SANITIZER_CALLS(ROW)
#endif
};
#define ALLOWED (sizeof allowed / sizeof *allowed)
static const int refused[][MACHINES] = {{2 /* open */, -1}, {257 /* openat */, 56}};
#define REFUSED (sizeof refused / sizeof *refused)
static const int memory[][MACHINES] = {{9 /* mmap */, 222}, {10 /* mprotect */, 226}};
#define MEMORY (sizeof memory / sizeof *memory)
static const int write_call[MACHINES] = {1, 64};

static uint32_t add_call(struct sock_filter *f, uint32_t n, int call, uint32_t verdict)
{
    const struct sock_filter two[] = {EQUAL(call, 0, 1), RETURN(verdict)};
    memcpy(f + n, two, sizeof two);
    return n + 2;
}

/* Never executable, and of no file: argument 2 is the protection of both calls, argument 4 mmap's
 * descriptor, through which a file that was open before could be written. */
static uint32_t add_memory(struct sock_filter *f, uint32_t n, int call, int maps)
{
    const struct sock_filter three[] = {EQUAL(call, 0, maps ? 6 : 4), LOAD(WORD(args[2]) + LOW),
                                        ANY_BIT(4 /* PROT_EXEC */, maps ? 2 : 0, maps ? 0 : 1)};
    const struct sock_filter two[] = {LOAD(WORD(args[4]) + LOW), EQUAL(-1, 1, 0)};
    const struct sock_filter ends[] = {RETURN(SECCOMP_RET_KILL_PROCESS),
                                       RETURN(SECCOMP_RET_ALLOW)};
    memcpy(f + n, three, sizeof three);
    n += 3;
    if (maps) memcpy(f + n, two, sizeof two);
    if (maps) n += 2;
    memcpy(f + n, ends, sizeof ends);
    return n + 2;
}

/* To the caller alone. The number of the call is gone after the load, so this rule is the last. */
static uint32_t add_write(struct sock_filter *f, uint32_t n, int call, int fd)
{
    const struct sock_filter six[] = {
        EQUAL(call, 0, 4), LOAD(WORD(args[0]) + LOW), EQUAL(fd, 1, 0),
        EQUAL(SANITIZED ? STDERR_FILENO : fd, 0, 1), RETURN(SECCOMP_RET_ALLOW),
        RETURN(SECCOMP_RET_KILL_PROCESS)};
    memcpy(f + n, six, sizeof six);
    return n + 6;
}

#define FILTER_MAX (6 + 2 * (ALLOWED + REFUSED) + 7 * MEMORY + 6)

/* The filter of a machine, into f of FILTER_MAX. Returns its length. */
static uint32_t make_filter(int machine, int fd, struct sock_filter *f)
{
    const struct sock_filter head[] = {
        LOAD(WORD(arch)), EQUAL(ARCH[machine], 1, 0), RETURN(SECCOMP_RET_KILL_PROCESS),
        LOAD(WORD(nr)),
        /* The numbers of x32 mean other calls. */
        AT_LEAST(0x40000000, 0, 1), RETURN(SECCOMP_RET_KILL_PROCESS)};
    uint32_t n = sizeof head / sizeof *head;
    memcpy(f, head, sizeof head);
    for (size_t k = 0; k < ALLOWED; k++)
        n = add_call(f, n, allowed[k][machine], SECCOMP_RET_ALLOW);
    for (size_t k = 0; k < REFUSED; k++)
        if (refused[k][machine] >= 0)
            n = add_call(f, n, refused[k][machine],
                         SECCOMP_RET_ERRNO | (EPERM & SECCOMP_RET_DATA));
    for (size_t k = 0; k < MEMORY; k++) n = add_memory(f, n, memory[k][machine], k == 0);
    n = add_write(f, n, write_call[machine], fd);
    RO_ASSERT(n <= FILTER_MAX);
    return n;
}

static int install_filter(int fd)
{
    struct sock_filter f[FILTER_MAX];
    struct sock_fprog program = {(unsigned short)make_filter(THIS_MACHINE, fd, f), f};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0;
}

int rf_has_seccomp(void)
{
    uint32_t action = SECCOMP_RET_KILL_PROCESS;
    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

#else

static int install_filter(int fd)
{
    (void)fd;
    return 0;
}

int rf_has_seccomp(void) { return 0; }

#endif

/* ---- limits ----------------------------------------------------------------------------- */

/* Addresses that a thread takes without using them: a stack, and the malloc's heap for it. */
#define THREAD_BYTES (UINT64_C(160) << 20)

#if defined(__GLIBC__)
typedef enum __rlimit_resource resource;
#else
typedef int resource;
#endif

static ro_status limit(resource what, uint64_t soft, uint64_t hard, ro_err *err)
{
    struct rlimit r;
    if (getrlimit(what, &r) != 0) r.rlim_max = RLIM_INFINITY;
    if (r.rlim_max != RLIM_INFINITY && hard > r.rlim_max) hard = r.rlim_max;
    if (soft > hard) soft = hard;
    r.rlim_cur = soft;
    r.rlim_max = hard;
    if (setrlimit(what, &r) != 0)
        return RO_FAIL(err, RO_EDEVICE, "limit %d cannot be set: %s", (int)what, strerror(errno));
    return RO_OK;
}

/* Addresses in use. 0: this system does not say. */
static uint64_t addresses(void)
{
    char text[64];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0) return 0;
    text[n] = 0;
    return strtoull(text, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static ro_status limit_memory(const rf_limits *l, uint32_t threads, ro_err *err)
{
    uint64_t now = addresses(), bytes;
    if (SANITIZED || l->memory_bytes == 0) return RO_OK;
    if (now == 0) return RO_FAIL(err, RO_EDEVICE, "this system does not say what memory is in use");
    if (!ro_add_size(now, l->memory_bytes, &bytes) ||
        !ro_add_size(bytes, threads * THREAD_BYTES, &bytes) || bytes >= (uint64_t)RLIM_INFINITY)
        return RO_OK;
    return limit(RLIMIT_AS, bytes, bytes, err);
}

static ro_status set_limits(const rf_limits *l, uint32_t threads, ro_err *err)
{
    uint64_t cpu = l->cpu_seconds;
#if defined(__linux__)
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return RO_FAIL(err, RO_EDEVICE, "privileges cannot be given up: %s", strerror(errno));
#endif
    if (!cpu && l->wall_ms && !ro_mul_size(l->wall_ms / 1000 + 1, threads, &cpu)) cpu = 0;
    if (cpu) RO_TRY(limit(RLIMIT_CPU, cpu, cpu + 1, err));
    RO_TRY(limit(RLIMIT_CORE, 0, 0, err));
    RO_TRY(limit(RLIMIT_FSIZE, 0, 0, err));
    return limit_memory(l, threads, err);
}

/* From here on no file is opened and, with the filter, nothing but computing is done. */
static ro_status seal(const rf_limits *l, int fd, ro_err *err)
{
    RO_TRY(limit(RLIMIT_NOFILE, 0, 0, err));
    if (l->no_seccomp) return RO_OK;
    if (!install_filter(fd))
        return RO_FAIL(err, RO_EDEVICE,
                       "this system does not filter system calls (seccomp); --no-sandbox goes on "
                       "without");
    return RO_OK;
}

/* ---- the child -------------------------------------------------------------------------- */

static ro_status do_work(const rf_work *w, const rf_limits *l, int fd, uint8_t *result, ro_err *err)
{
    ro_pool *pool = NULL;
    RO_TRY(ro_pool_new(l->threads, &pool, err));
    RO_TRY(set_limits(l, ro_pool_threads(pool), err));
    if (w->prepare) RO_TRY(w->prepare(w->ctx, pool, err));
    RO_TRY(seal(l, fd, err));
    return w->compute(w->ctx, pool, result, err);
}

static _Noreturn void be_child(const rf_work *w, const rf_limits *l, int fd, pid_t parent)
{
    ro_err e = {RO_OK, {0}};
    size_t done = 0, n;
#if defined(__linux__)
    /* Nobody reads what a child computes whose caller is gone. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || getppid() != parent) _exit(1);
#endif
    (void)parent;
    uint8_t *result = ro_alloc_zero(w->size), *frame = ro_alloc(RF_FRAME_MAX(w->size));
    if (!result || !frame) _exit(1);
    ro_status st = do_work(w, l, fd, result, &e);
    e.code = st;
    if (st && !e.msg[0]) snprintf(e.msg, sizeof e.msg, "%s", ro_status_name(st));
    n = rf_frame_write(&e, result, w->size, frame);
    while (done < n) {
        ssize_t put = write(fd, frame + done, n - done);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) _exit(1);
        done += (size_t)put;
    }
    _exit(0);
}

/* ---- the caller ------------------------------------------------------------------------- */

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* All that the child sends, up to `room` bytes. What a pipe that fails has brought is no whole
 * frame. 0: the time is over. */
static int collect(int fd, uint64_t wall_ms, uint8_t *bytes, size_t room, size_t *n)
{
    uint64_t begin = now_ms();
    *n = 0;
    while (*n < room) {
        int wait = -1;
        if (wall_ms) {
            uint64_t gone = now_ms() - begin;
            if (gone >= wall_ms) return 0;
            wait = wall_ms - gone < 1000000 ? (int)(wall_ms - gone) : 1000000;
        }
        struct pollfd p = {fd, POLLIN, 0};
        int ready = poll(&p, 1, wait);
        if (ready == 0 || (ready < 0 && errno == EINTR)) continue;
        if (ready < 0) return 1;
        ssize_t got = read(fd, bytes + *n, room - *n);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return 1;
        *n += (size_t)got;
    }
    return 1;
}

static ro_status bad_end(int status, ro_err *err)
{
    if (!WIFSIGNALED(status))
        return RO_FAIL(err, RO_EDEVICE, "a computation ended with code %d and no answer",
                       WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    int s = WTERMSIG(status);
    if (s == SIGXCPU)
        return RO_FAIL(err, RO_EDEVICE, "a computation took more processor time than it may");
    if (s == SIGSYS)
        return RO_FAIL(err, RO_EDEVICE,
                       "a computation made a system call that computing does not need");
    if (s == SIGKILL) return RO_FAIL(err, RO_EDEVICE, "a computation was killed");
    return RO_FAIL(err, RO_EDEVICE, "a computation ended by signal %d (%s)", s, strsignal(s));
}

/* In the order in which an answer can fail to be one. */
static ro_status end_of(const rf_work *w, const rf_limits *l, int in_time, int status,
                        const uint8_t *bytes, size_t n, uint8_t *result, ro_err *err)
{
    ro_err got = {RO_OK, {0}};
    if (!in_time)
        return RO_FAIL(err, RO_EDEVICE, "a computation took longer than %llu ms",
                       (unsigned long long)l->wall_ms);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return bad_end(status, err);
    if (!rf_frame_read(bytes, n, w->size, result, &got))
        return RO_FAIL(err, RO_EDEVICE, "a computation gave %zu bytes that are no answer", n);
    if (got.code) return RO_FAIL(err, got.code, "%s", got.msg);
    return RO_OK;
}

static ro_status attempt(const rf_work *w, const rf_limits *l, uint8_t *bytes, uint8_t *result,
                         ro_err *err)
{
    int fd[2], status = 0;
    size_t n = 0;
    pid_t self = getpid();
    if (pipe2(fd, O_CLOEXEC) != 0)
        return RO_FAIL(err, RO_EDEVICE, "no pipe for a computation: %s", strerror(errno));
    pid_t child = fork();
    if (child == 0) {
        close(fd[0]);
        be_child(w, l, fd[1], self);
    }
    close(fd[1]);
    if (child < 0) {
        close(fd[0]);
        return RO_FAIL(err, RO_EDEVICE, "no process for a computation: %s", strerror(errno));
    }
    /* One byte more than any frame has: a longer answer shows. */
    int in_time = collect(fd[0], l->wall_ms, bytes, RF_FRAME_MAX(w->size) + 1, &n);
    close(fd[0]);
    kill(child, SIGKILL); /* no effect on one that is ending by itself */
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return RO_FAIL(err, RO_EDEVICE, "a computation's end was lost");
    return end_of(w, l, in_time, status, bytes, n, result, err);
}

ro_status rf_child_run(const rf_work *w, const rf_limits *l, uint8_t *result, ro_err *err)
{
    ro_err why = {RO_OK, {0}};
    uint8_t *bytes = ro_alloc(RF_FRAME_MAX(w->size) + 1);
    if (!bytes) return RO_FAIL(err, RO_ENOMEM, "no memory for a computation's answer");
    ro_status st = RO_EDEVICE;
    for (uint32_t k = 0; k <= RF_CHILD_RETRIES && rf_is_fault(st); k++) {
        why = (ro_err){RO_OK, {0}};
        st = attempt(w, l, bytes, result, &why);
    }
    ro_free(bytes);
    return st ? RO_FAIL(err, st, "%s", why.msg) : RO_OK;
}
