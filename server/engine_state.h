/* engine_state.h - what engine.c, opens.c and watch.c share. Private to them.
 *
 * What this file decides: what an engine remembers. All of it but the queue follows from the disk.
 *
 * Invariants
 *   1. Fields after `lock` are changed under it; the others are the engine's thread's. */
#ifndef SV_ENGINE_STATE_H
#define SV_ENGINE_STATE_H
#include <pthread.h>

#include "engine.h"

#define SV_BUCKETS 4096u

/* What is kept of an open task. */
typedef struct sv_open {
    struct sv_open *next; /* in its bucket */
    int references;       /* of views, and of the engine; under the lock */
    vd_digest task, client;
    sv_fixed fixed;
    sv_blob *blobs;
    uint32_t blob_count, disputes, place;
    uint64_t changed_ms, position;
    struct sv_open *next_dirty;
    int data_ready, looking, over, dirty, audits;
    rf_task_state state;
    sv_view *view;
} sv_open;

/* A change that is told when its batch is durable. */
typedef struct { uint64_t position; vd_digest task; int ledger; char what[96]; } sv_noted;

struct sv_engine {
    sv_engine_options o;
    char *dir;
    const vd_key *key;
    vd_digest referee;
    sv_ledger *ledger;
    sv_catalog *catalog;
    sv_tasks *tasks;
    vd_store *store;
    int heart; /* the file that is written while the service is up */
    uint64_t beaten;
    const sv_fixed *submitting;
    sv_noted *changes;
    uint32_t change_count, change_room;
    sv_engine_counts counts; /* of the engine's thread; copied out under the lock */

    pthread_t thread;
    int started;
    pthread_mutex_t lock; /* the queue, the tables of open tasks, references, counts */
    pthread_cond_t wake;
    sv_action *first, **last;
    uint64_t waiting;
    int stop;
    sv_open *bucket[SV_BUCKETS];
    sv_open **list, *dirty;
    uint32_t count, room;
    sv_engine_counts shown;
};

/* opens.c: an entry of the table. find: NULL: there is none. touch: its view is to be made anew. */
sv_open *sv_open_find(sv_engine *e, const vd_digest *task);
ro_status sv_open_new(sv_engine *e, const sv_task_look *l, const sv_fixed *f, sv_open **out,
                      ro_err *err) RO_CHECKED;
/* Of a task that is on the disk already. */
ro_status sv_open_load(sv_engine *e, const sv_task_look *l, ro_err *err) RO_CHECKED;
void sv_open_touch(sv_engine *e, sv_open *o);
void sv_open_show(sv_engine *e, sv_open *o, const sv_task_look *l);
void sv_open_remove(sv_engine *e, sv_open *o);
void sv_fixed_of_job(const vd_job *j, sv_fixed *f);

/* watch.c: sv_tasks_set_watch; ctx is the engine. */
ro_status sv_engine_watch(void *ctx, const sv_task_look *l, const rf_event *ev, ro_err *err)
    RO_CHECKED;

#endif
