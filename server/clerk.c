/* clerk.c - a thread and its queue.
 *
 * What this file decides: how it waits. */
#include "clerk.h"

#include <pthread.h>

struct sv_clerk {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    sv_errand *first, **last;
    uint64_t waiting;
    int stop;
};

static void *serve(void *ctx)
{
    sv_clerk *c = ctx;
    for (;;) {
        pthread_mutex_lock(&c->lock);
        while (!c->first && !c->stop) pthread_cond_wait(&c->wake, &c->lock);
        sv_errand *e = c->first;
        if (e) c->first = e->next;
        if (!c->first) c->last = &c->first;
        c->waiting -= e != NULL;
        pthread_mutex_unlock(&c->lock);
        if (!e) return NULL;
        e->run(e);
    }
}

ro_status sv_clerk_open(sv_clerk **out, ro_err *err)
{
    sv_clerk *c = ro_alloc_zero(sizeof *c);
    if (!c) return RO_FAIL(err, RO_ENOMEM, "no memory for a thread");
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->wake, NULL);
    c->last = &c->first;
    if (pthread_create(&c->thread, NULL, serve, c) != 0) {
        ro_free(c);
        return RO_FAIL(err, RO_ENOMEM, "a thread cannot be had");
    }
    *out = c;
    return RO_OK;
}

void sv_clerk_post(sv_clerk *c, sv_errand *e)
{
    e->next = NULL;
    pthread_mutex_lock(&c->lock);
    *c->last = e;
    c->last = &e->next;
    c->waiting++;
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->lock);
}

uint64_t sv_clerk_waiting(sv_clerk *c)
{
    pthread_mutex_lock(&c->lock);
    const uint64_t n = c->waiting;
    pthread_mutex_unlock(&c->lock);
    return n;
}

void sv_clerk_close(sv_clerk *c)
{
    if (!c) return;
    pthread_mutex_lock(&c->lock);
    c->stop = 1;
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->wake);
    ro_free(c);
}
