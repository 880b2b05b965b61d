/* test_child.c - work in a child process: it may end, loop, eat and reach for whatever it likes,
 * and its caller goes on and holds no answer. T36, T55. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../referee/child.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* Seen by all attempts. */
typedef struct { _Atomic uint32_t attempts; } shared;

static shared *shared_memory(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(p, MAP_FAILED);
    return p;
}

typedef struct { shared *seen; int what; uint32_t fail; } order;

static const rf_limits limits = {UINT64_C(256) << 20, 20000, 0, 2, 0};

/* What comes of it, and that nothing is left running or unread. */
static ro_status run(ro_status (*prepare)(void *, ro_pool *, ro_err *),
                     ro_status (*compute)(void *, ro_pool *, uint8_t *, ro_err *), order *o,
                     const rf_limits *l, uint8_t result[8], ro_err *err)
{
    rf_work w = {prepare, compute, o, 8};
    *err = (ro_err){RO_OK, {0}};
    memset(result, 0xee, 8);
    o->seen = shared_memory();
    ro_status st = rf_child_run(&w, l, result, err);
    cr_assert_eq(waitpid(-1, NULL, WNOHANG), -1);
    cr_assert_eq(errno, ECHILD);
    for (int k = 0; st && k < 8; k++) cr_assert_eq(result[k], 0xee);
    cr_assert(st == RO_OK || err->msg[0]);
    return st;
}

/* ---- work that is done ------------------------------------------------------------------ */

static void add_up(void *ctx, uint64_t begin, uint64_t end, uint32_t worker)
{
    (void)worker;
    for (uint64_t k = begin; k < end; k++) atomic_fetch_add((_Atomic uint64_t *)ctx, k);
}

static ro_status sum(void *ctx, ro_pool *pool, uint8_t *result, ro_err *err)
{
    order *o = ctx;
    _Atomic uint64_t total = 0;
    (void)err;
    atomic_fetch_add(&o->seen->attempts, 1);
    ro_parallel(pool, 100000, 100, add_up, &total);
    uint64_t v = total;
    memcpy(result, &v, 8);
    void *room[16]; /* a thread of the pool has its heap to make: memory works under the filter */
    for (int k = 0; k < 16; k++) {
        room[k] = ro_alloc((size_t)1 << (10 + k / 2));
        if (!room[k]) return RO_ENOMEM;
    }
    for (int k = 0; k < 16; k++) ro_free(room[k]);
    o->what = 77; /* the caller does not see it */
    return RO_OK;
}

Test(child, an_answer_comes_back)
{
    order o = {NULL, 1, 0};
    uint8_t result[8];
    uint64_t v;
    ro_err err;
    cr_assert_eq(run(NULL, sum, &o, &limits, result, &err), RO_OK, "%s", err.msg);
    memcpy(&v, result, 8);
    cr_assert_eq(v, UINT64_C(4999950000));
    cr_assert_eq(o.what, 1);
    cr_assert_eq(o.seen->attempts, 1);
    rf_limits none = {0, 0, 0, 1, 1};
    cr_assert_eq(run(NULL, sum, &o, &none, result, &err), RO_OK, "%s", err.msg);
}

static ro_status not_found(void *ctx, ro_pool *pool, ro_err *err)
{
    (void)pool;
    atomic_fetch_add(&((order *)ctx)->seen->attempts, 1);
    return RO_FAIL(err, RO_ENOTFOUND, "a store\033[2J has no tensor");
}

/* What cannot be done is said once, and is no fault; control bytes do not come through. */
Test(child, T36_what_is_missing_is_no_fault)
{
    order o = {NULL, 0, 0};
    uint8_t result[8];
    ro_err err;
    cr_assert_eq(run(not_found, sum, &o, &limits, result, &err), RO_ENOTFOUND);
    cr_assert_str_eq(err.msg, "a store?[2J has no tensor");
    cr_assert_eq(o.seen->attempts, 1);
}

/* ---- bombs ------------------------------------------------------------------------------ */

typedef enum {
    EAT, SPIN, WAIT, SEGV, ABORT, EXIT, FORK, VFORK, EXEC, THREAD, SOCKET, UNLINK, KILL, PTRACE,
    STDERR, STDOUT, READ, EXECUTABLE, STACK, BOMBS
} bomb;

static uint64_t deep(uint64_t n)
{
    volatile uint8_t page[4096];
    page[n % 4096] = (uint8_t)n;
    return n ? deep(n - 1) + page[n % 4096] : 0;
}

static int *volatile at_nothing; /* NULL, which the compiler does not know */

static void *nothing(void *p) { return p; }

static ro_status eat(void)
{
    for (int k = 0; k < 64; k++) { /* 4 GiB, were there no limit */
        uint8_t *p = ro_alloc((size_t)64 << 20);
        if (!p) return RO_ENOMEM;
        memset(p, 1, (size_t)64 << 20);
    }
    return RO_OK;
}

static ro_status explode(void *ctx, ro_pool *pool, uint8_t *result, ro_err *err)
{
    order *o = ctx;
    pthread_t t;
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    char *const none[] = {NULL};
    volatile uint64_t forever = 0;
    (void)pool;
    (void)err;
    atomic_fetch_add(&o->seen->attempts, 1);
    memset(result, 0, 8);
    switch ((bomb)o->what) {
    case EAT: return eat();
    case SPIN: for (;;) forever++;
    case WAIT: pthread_mutex_lock(&m); pthread_mutex_lock(&m); break;
    case SEGV: *at_nothing = 1; break;
    case ABORT: RO_ASSERT(!"on purpose"); break;
    case EXIT: _exit(0);
    case FORK: (void)!syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); break;
    case VFORK: (void)!fork(); break;
    case EXEC: execve("/bin/true", none, none); break;
    case THREAD: (void)!pthread_create(&t, NULL, nothing, NULL); break;
    case SOCKET: (void)!socket(AF_INET, SOCK_STREAM, 0); break;
    case UNLINK: (void)!unlink("/tmp/no such file of verde"); break;
    case KILL: (void)!kill(getppid(), SIGKILL); break;
    case PTRACE: (void)!syscall(SYS_ptrace, 16, 1, 0, 0); break;
    case STDERR: (void)!write(2, "x", 1); break;
    case STDOUT: (void)!write(1, "x", 1); break;
    case READ: (void)!read(0, result, 1); break;
    case EXECUTABLE:
        (void)mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        break;
    case STACK: result[0] = (uint8_t)deep(UINT64_C(1) << 40); break;
    case BOMBS: break;
    }
    return RO_OK;
}

/* What the sentence says of each. */
static const struct { bomb what; const char *says; } BOMB[] = {
    {SPIN, "processor time"}, {WAIT, "longer than"}, {SEGV, "signal 11"}, {EXIT, "no answer"},
    {FORK, "system call"}, {VFORK, "system call"}, {EXEC, "system call"}, {THREAD, "system call"},
    {SOCKET, "system call"}, {UNLINK, "system call"}, {KILL, "system call"},
    {PTRACE, "system call"}, {STDOUT, "system call"}, {READ, "system call"},
    {EXECUTABLE, "system call"}, {ABORT, "system call"}, {STDERR, "system call"},
    {STACK, "signal 11"}, {EAT, "memory"}};

Test(child, T55_bombs_leave_the_caller_alive, .timeout = 120)
{
    cr_assert(rf_has_seccomp(), "this system filters no system calls");
    for (size_t k = 0; k < sizeof BOMB / sizeof *BOMB; k++) {
        bomb what = BOMB[k].what;
        order o = {NULL, (int)what, 0};
        rf_limits l = limits;
        uint8_t result[8];
        ro_err err;
        /* Under a sanitizer there is no limit of addresses, and it speaks up itself. */
        if (SANITIZED && (what == EAT || what == SEGV || what == STACK || what == ABORT ||
                          what == STDERR))
            continue;
        if (what == SPIN) l.cpu_seconds = 1;
        if (what == WAIT) l.wall_ms = 300;
        ro_status st = run(NULL, explode, &o, &l, result, &err);
        cr_assert(rf_is_fault(st), "bomb %d: %s", (int)what, ro_status_name(st));
        cr_assert(strstr(err.msg, BOMB[k].says), "bomb %d: %s", (int)what, err.msg);
        cr_assert_eq(o.seen->attempts, 1 + RF_CHILD_RETRIES, "bomb %d", (int)what);
    }
}

static ro_status open_a_file(void *ctx, ro_pool *pool, uint8_t *result, ro_err *err)
{
    (void)ctx;
    (void)pool;
    (void)err;
    memset(result, 0, 8);
    result[0] = open("/dev/null", O_RDONLY) >= 0;
    result[1] = (uint8_t)errno;
    result[2] = open("/tmp/verde made by a child", O_WRONLY | O_CREAT, 0600) >= 0;
    return RO_OK;
}

static ro_status read_a_file(void *ctx, ro_pool *pool, ro_err *err)
{
    (void)ctx;
    (void)pool;
    int fd = open("/dev/null", O_RDONLY);
    return fd < 0 ? RO_FAIL(err, RO_EIO, "%s", strerror(errno)) : RO_OK;
}

Test(child, T55_files_open_before_it_computes_and_not_then)
{
    order o = {NULL, 0, 0};
    uint8_t result[8];
    ro_err err;
    cr_assert_eq(run(read_a_file, open_a_file, &o, &limits, result, &err), RO_OK, "%s", err.msg);
    cr_assert(result[0] == 0 && result[1] == EPERM && result[2] == 0);
    rf_limits open = limits;
    open.no_seccomp = 1; /* the limit of descriptors stands */
    cr_assert_eq(run(NULL, open_a_file, &o, &open, result, &err), RO_OK, "%s", err.msg);
    cr_assert(result[0] == 0 && result[1] == EMFILE && result[2] == 0);
    cr_assert_neq(access("/tmp/verde made by a child", F_OK), 0);
}

static ro_status write_a_file(void *ctx, ro_pool *pool, ro_err *err)
{
    (void)ctx;
    (void)pool;
    (void)err;
    int fd = open("/tmp", O_RDWR | O_TMPFILE, 0600);
    (void)signal(SIGXFSZ, SIG_IGN);
    return fd >= 0 && write(fd, "x", 1) == 1 ? RO_OK : RO_ENOTFOUND;
}

Test(child, T55_nothing_is_written_even_before)
{
    order o = {NULL, 0, 0};
    uint8_t result[8];
    ro_err err;
    cr_assert_eq(run(write_a_file, sum, &o, &limits, result, &err), RO_ENOTFOUND);
}

/* ---- kills ------------------------------------------------------------------------------ */

/* The pipe to the caller: the only one that can be written to here. */
static int the_pipe(void)
{
    for (int fd = 3; fd < 256; fd++) {
        struct stat s;
        int flags = fcntl(fd, F_GETFL);
        if (flags >= 0 && (flags & O_ACCMODE) == O_WRONLY && fstat(fd, &s) == 0 &&
            S_ISFIFO(s.st_mode))
            return fd;
    }
    return -1;
}

static ro_status killed_early(void *ctx, ro_pool *pool, ro_err *err)
{
    order *o = ctx;
    (void)pool;
    (void)err;
    if (atomic_fetch_add(&o->seen->attempts, 1) < o->fail && o->what == 0) raise(SIGKILL);
    return RO_OK;
}

static ro_status killed(void *ctx, ro_pool *pool, uint8_t *result, ro_err *err)
{
    order *o = ctx;
    uint8_t frame[RF_FRAME_MAX(8)];
    (void)sum(ctx, pool, result, err);
    uint32_t attempt = atomic_fetch_sub(&o->seen->attempts, 1) - 1; /* sum counts too */
    if (attempt > o->fail) return RO_OK;
    memset(result, 0x55, 8);
    size_t n = rf_frame_write(NULL, result, 8, frame);
    if (o->what == 1) raise(SIGKILL);
    if (o->what == 2) n = 10;     /* in the head              */
    if (o->what == 3) n -= 1;     /* one byte before the end  */
    if (o->what == 5) frame[30] ^= 1;
    if (o->what >= 2) (void)!write(the_pipe(), frame, n);
    if (o->what == 6) return RO_OK; /* two frames */
    if (o->what == 5) _exit(0);
    if (o->what) raise(SIGKILL);
    return RO_OK;
}

/* kill -9 before the work, in it, within the answer and after it; answers that are none. The wrong
 * result 0x55.. never comes through, not even where it was whole when the child was killed. */
Test(child, T36_kills_and_bad_answers_are_tried_again, .timeout = 60)
{
    for (int what = 0; what <= 6; what++)
        for (uint32_t fail = 1; fail <= RF_CHILD_RETRIES + 1; fail += RF_CHILD_RETRIES) {
            order o = {NULL, what, fail};
            rf_limits l = limits;
            uint8_t result[8];
            uint64_t v = 0;
            ro_err err;
            l.no_seccomp = 1; /* fcntl and raise are no computing */
            ro_status st = run(killed_early, killed, &o, &l, result, &err);
            if (fail > RF_CHILD_RETRIES) {
                cr_assert_eq(st, RO_EDEVICE, "%d: %s", what, ro_status_name(st));
                cr_assert_eq(o.seen->attempts, 1 + RF_CHILD_RETRIES);
                continue;
            }
            cr_assert_eq(st, RO_OK, "%d: %s", what, err.msg);
            memcpy(&v, result, 8);
            cr_assert_eq(v, UINT64_C(4999950000));
            cr_assert_eq(o.seen->attempts, 2);
        }
}

/* ---- frames ----------------------------------------------------------------------------- */

Test(child, every_cut_and_flip_of_a_frame_is_refused)
{
    uint8_t frame[RF_FRAME_MAX(40) + 1], value[40], result[40];
    const ro_err fails[] = {{RO_OK, {0}}, {RO_ENOMEM, "no memory"}, {RO_EDEVICE, ""}};
    ro_err got;
    for (uint32_t k = 0; k < sizeof value; k++) value[k] = (uint8_t)(k * 7);
    for (size_t i = 0; i < sizeof fails / sizeof *fails; i++) {
        size_t n = rf_frame_write(&fails[i], value, 40, frame);
        memset(result, 0, sizeof result);
        cr_assert(rf_frame_read(frame, n, 40, result, &got));
        cr_assert_eq(got.code, fails[i].code);
        cr_assert_str_eq(got.msg, fails[i].msg);
        cr_assert_eq(memcmp(result, value, 40) == 0, i == 0);
        memset(result, 0, sizeof result);
        for (size_t cut = 0; cut < n; cut++)
            cr_assert_not(rf_frame_read(frame, cut, 40, result, &got), "cut at %zu", cut);
        for (size_t bit = 0; bit < 8 * n; bit++) {
            frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
            cr_assert_not(rf_frame_read(frame, n, 40, result, &got), "bit %zu", bit);
            frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        frame[n] = 0;
        cr_assert_not(rf_frame_read(frame, n + 1, 40, result, &got));
        if (i == 0) cr_assert_not(rf_frame_read(frame, n, 39, result, &got));
        if (i == 0) cr_assert_not(rf_frame_read(frame, n, 41, result, &got));
        for (uint32_t k = 0; k < sizeof result; k++) cr_assert_eq(result[k], 0);
    }
}
