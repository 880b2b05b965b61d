/* message_check.c - signatures and messages, asked about a line at a time, for second readers.
 *
 * Standard input: a word and hexadecimal fields ("-": no bytes); one line of answer each:
 *   verify KEY BYTES SIGNATURE    valid, invalid
 *   open MESSAGE                  refused, or ok and slot digest ("-": none), claim digest, id
 *   payload MESSAGE PAYLOAD       refused, fits, differs
 *   pair EVIDENCE                 refused, or ok and the guilty key
 *   salt SEED REFEREE TASK        the salt */
#include <ctype.h>

#include "../referee/message.h"
#include "small_job.h"

enum { FIELDS = 3, BYTES = 8192 };
static uint8_t field[FIELDS][BYTES];
static size_t size[FIELDS];

static void print_hex(const uint8_t *b, size_t n)
{
    putchar(' ');
    for (size_t k = 0; k < n; k++) printf("%02x", b[k]);
}

/* Fields of a line; what is no hexadecimal is the caller's mistake. */
static void read_fields(const char *p)
{
    for (int f = 0; f < FIELDS; f++) {
        size[f] = 0;
        while (*p == ' ') p++;
        if (*p == '-') p++;
        for (; isxdigit((unsigned char)p[0]); p += 2) {
            char two[3] = {p[0], p[1], 0};
            if (!isxdigit((unsigned char)p[1]) || size[f] == BYTES) abort();
            field[f][size[f]++] = (uint8_t)strtoul(two, NULL, 16);
        }
    }
}

static void open_it(void)
{
    rf_message m;
    ro_err err = {RO_OK, {0}};
    if (rf_message_open(field[0], size[0], &m, &err)) {
        printf("refused\n");
        return;
    }
    vd_digest claim = rf_claim_digest(&m), id = rf_message_id(&m), slot;
    printf("ok");
    if (rf_has_slot(m.type)) {
        slot = rf_slot_digest(&m);
        print_hex(slot.b, 32);
    } else {
        printf(" -");
    }
    print_hex(claim.b, 32);
    print_hex(id.b, 32);
    printf("\n");
}

static void verify(void)
{
    ro_err err = {RO_OK, {0}};
    int good = size[0] == 32 && size[2] == 64 &&
               vd_check_signature(field[0], field[1], size[1], field[2], &err) == RO_OK;
    printf("%s\n", good ? "valid" : "invalid");
}

static void payload(void)
{
    rf_message m;
    ro_err err = {RO_OK, {0}};
    if (rf_message_open(field[0], size[0], &m, &err))
        printf("refused\n");
    else
        printf("%s\n", rf_payload_check(&m, field[1], size[1], &err) ? "differs" : "fits");
}

static void pair(void)
{
    rf_message two[2];
    ro_err err = {RO_OK, {0}};
    if (rf_equivocation_check(field[0], size[0], two, &err)) {
        printf("refused\n");
        return;
    }
    printf("ok");
    print_hex(two[0].key, 32);
    printf("\n");
}

static void salt(void)
{
    vd_key *k = NULL;
    vd_digest referee, task, s;
    ro_err err = {RO_OK, {0}};
    memcpy(referee.b, field[1], 32);
    memcpy(task.b, field[2], 32);
    must(vd_key_from_seed(field[0], &k, &err), &err);
    must(rf_salt(k, &referee, &task, &s, &err), &err);
    vd_key_free(k);
    print_hex(s.b, 32);
    printf("\n");
}

int main(void)
{
    static const struct { const char *word; void (*run)(void); } words[] = {
        {"verify ", verify}, {"open ", open_it}, {"payload ", payload}, {"pair ", pair},
        {"salt ", salt}};
    static char line[FIELDS * 2 * BYTES + 64];
    while (fgets(line, sizeof line, stdin)) {
        int known = 0;
        for (size_t k = 0; k < sizeof words / sizeof *words && !known; k++) {
            size_t n = strlen(words[k].word);
            if (strncmp(line, words[k].word, n) != 0) continue;
            read_fields(line + n);
            words[k].run();
            known = 1;
        }
        if (!known) return 2;
    }
    return 0;
}
