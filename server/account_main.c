/* account_main.c - the `verde-account` command: accounts, money in, statements, keys.
 *
 * What this file decides: argv, and what it prints. Exit codes as those of `verde`.            */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"

static const char usage_text[] =
    "usage: verde-account new NAME --server URL --token OPERATOR [--out FILE] [--json]\n"
    "       verde-account deposit WHO AMOUNT --server URL --token OPERATOR [--json]\n"
    "       verde-account show [WHO] --server URL [--token FILE] [--json]\n"
    "       verde-account statement [WHO] [--limit N] --server URL [--token FILE] [--json]\n"
    "       verde-account bind --key KEY.pem [WHO] --server URL --token FILE [--json]\n"
    "       verde-account ledger --server URL [--json]\n"
    "\n"
    "  new        make an account; its token is printed once, or written to the file of --out\n"
    "             (mode 0600: the token, then the account's id)\n"
    "  deposit    pay micro-units in from outside\n"
    "  show       what an account has: free, held as stakes, in escrow\n"
    "  statement  its transfers, newest first\n"
    "  bind       give a key to an account, which then pays its stakes; for good\n"
    "  ledger     all money by kind of account, and its sum, which is 0\n"
    "\n"
    "  --server   as http://127.0.0.1:8321 (default: VERDE_SERVER)\n"
    "  --token    a file with the token, readable by its owner alone (default: VERDE_TOKEN, the\n"
    "             token itself); its second line may name the account\n"
    "  WHO        an account's id; the file of a key (KEY.pem), whose account is meant; a name,\n"
    "             which the operator's token can look up; of deposit: treasury, the referee's own\n"
    "  --key      the key to bind\n"
    "  --out     where a new account's token goes; never overwritten\n"
    "  --limit    transfers to print (default 50)\n"
    "\n"
    "An account that only works needs no `new`: a key is its own account.\n"
    "\n"
    "Examples\n"
    "  verde account new alice --server $URL --token data/operator.token --out alice.token\n"
    "  verde account deposit alice 5000000 --server $URL --token data/operator.token\n"
    "  verde account statement --server $URL --token alice.token\n";

/* ---- who --------------------------------------------------------------------------------- */

/* Of a name: the operator may look it up. */
static ro_status account_of_name(sv_remote *r, const char *name, vd_digest *id, ro_err *err)
{
    char path[SV_PATH_MAX];
    cJSON *o = NULL;
    size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
    if (!n || name[n] || n > 64)
        return RO_FAIL(err, RO_EUSAGE, "\"%.80s\" is no account: it is an id of 64 hexadecimal "
                                       "digits, a name or a KEY.pem", name);
    snprintf(path, sizeof path, "/v1/accounts?name=%s", name);
    RO_TRY(sv_get_json(r, path, &o, err));
    ro_status st = sv_field_digest(o, "id", id, NULL, err);
    cJSON_Delete(o);
    return st;
}

/* WHO; without one, the account that the token's file names. */
static ro_status which_account(const cli_args *a, sv_remote *r, const char *who, vd_digest *id,
                               ro_err *err)
{
    int found = 0;
    size_t n = who ? strlen(who) : 0;
    ro_err why = {RO_OK, {0}};
    if (n > 4 && strcmp(who + n - 4, ".pem") == 0) {
        vd_key *key = NULL;
        RO_TRY(vd_key_load(who, &key, err));
        memcpy(id->b, vd_key_public(key), VD_DIGEST);
        vd_key_free(key);
        return RO_OK;
    }
    if (who) return vd_digest_parse(who, id, &why) ? account_of_name(r, who, id, err) : RO_OK;
    RO_TRY(sv_command_account(a, id, &found, err));
    return found ? RO_OK
                 : RO_FAIL(err, RO_EUSAGE,
                           "which account? Give its id, name or KEY.pem, or "
                           "a --token file that names it");
}

/* ---- new --------------------------------------------------------------------------------- */

static ro_status save_token(const char *path, const char *token, const char *id, ro_err *err)
{
    char text[2 * SV_TOKEN_MAX + 2];
    int n = snprintf(text, sizeof text, "%s\n%s\n", token, id);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return RO_FAIL(err, errno == EEXIST ? RO_EUSAGE : RO_EIO, "cannot make %.120s: %s", path,
                       strerror(errno));
    int good = n > 0 && n < (int)sizeof text && write(fd, text, (size_t)n) == n && fsync(fd) == 0;
    good &= close(fd) == 0;
    return good ? RO_OK : RO_FAIL(err, RO_EIO, "the token cannot be written to %.120s", path);
}

static ro_status make_account(const cli_args *a, sv_remote *r, ro_err *err)
{
    cJSON *body = cJSON_CreateObject(), *o = NULL;
    const char *save = cli_value(a, "--out"), *id = NULL, *token = NULL;
    cJSON_AddStringToObject(body, "name", a->words[1]);
    if (save && access(save, F_OK) == 0) {
        cJSON_Delete(body);
        return RO_FAIL(err, RO_EUSAGE, "%.120s exists already; a token is never overwritten", save);
    }
    RO_TRY(sv_post_json(r, "/v1/accounts", body, &o, err));
    ro_status st = sv_field_text(o, "id", &id, err);
    if (!st) st = sv_field_text(o, "token", &token, err);
    if (!st && (strlen(id) != 64 || strlen(token) > SV_TOKEN_MAX))
        st = RO_FAIL(err, RO_EFORMAT, "the server's new account has no proper id or token");
    if (!st && save) st = save_token(save, token, id, err);
    if (!st && save) cJSON_DeleteItemFromObject(o, "token");
    if (!st && cli_value(a, "--json")) {
        cli_json(o);
        return RO_OK;
    }
    if (!st) {
        printf("account  %s\n", id);
        if (save) printf("token    in %s\n", save);
        else
            printf("token    %s\n         (shown this once; keep it in a file of mode 0600)\n",
                   token);
    }
    cJSON_Delete(o);
    return st;
}

/* ---- deposit, show ----------------------------------------------------------------------- */

static ro_status deposit(const cli_args *a, sv_remote *r, ro_err *err)
{
    const char *to = a->words[1], *amount = a->words[2];
    char hex[65];
    vd_digest id;
    cJSON *o = NULL;
    size_t n = strspn(amount, "0123456789");
    if (!n || amount[n] || n > 19 || amount[0] == '0')
        return RO_FAIL(err, RO_EUSAGE, "the amount is \"%.40s\"; it is a whole number of "
                                       "micro-units, 1 or more", amount);
    if (strcmp(to, "treasury") != 0) {
        RO_TRY(which_account(a, r, to, &id, err));
        vd_digest_hex(&id, hex);
        to = hex;
    }
    cJSON *body = cJSON_CreateObject();
    cJSON_AddStringToObject(body, "to", to);
    cJSON_AddStringToObject(body, "amount", amount);
    RO_TRY(sv_post_json(r, "/v1/deposits", body, &o, err));
    if (cli_value(a, "--json")) {
        cli_json(o);
        return RO_OK;
    }
    printf("paid %s micro-units to %.16s%s\n", amount, to, strlen(to) > 16 ? "..." : "");
    cJSON_Delete(o);
    return RO_OK;
}

static ro_status show_account(const cli_args *a, sv_remote *r, ro_err *err)
{
    vd_digest id;
    char hex[65], path[SV_PATH_MAX], text[40];
    cJSON *o = NULL;
    static const char *const sums[] = {"free", "held", "escrow"};
    RO_TRY(which_account(a, r, a->word_count > 1 ? a->words[1] : NULL, &id, err));
    vd_digest_hex(&id, hex);
    snprintf(path, sizeof path, "/v1/accounts/%s", hex);
    RO_TRY(sv_get_json(r, path, &o, err));
    if (cli_value(a, "--json")) {
        cli_json(o);
        return RO_OK;
    }
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "name"));
    const cJSON *keys = cJSON_GetObjectItemCaseSensitive(o, "keys"), *k;
    printf("account  %s\nname     %.64s\n", hex, name ? name : "(a key)");
    ro_status st = RO_OK;
    for (size_t i = 0; !st && i < sizeof sums / sizeof *sums; i++) {
        int64_t n;
        st = sv_field_i64(o, sums[i], &n, err);
        if (!st) printf("%-8s %20s\n", sums[i], sv_money(n, text));
    }
    if (!st) {
        cJSON_ArrayForEach(k, keys) {
            const char *s = cJSON_GetStringValue(k);
            if (s) printf("key      %.64s\n", s);
        }
    }
    cJSON_Delete(o);
    return st;
}

/* ---- statement --------------------------------------------------------------------------- */

static const char *side_of(const cJSON *t, const char *which, char text[32])
{
    const cJSON *o = cJSON_GetObjectItemCaseSensitive(t, which);
    const char *kind = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "kind"));
    const char *owner = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "owner"));
    snprintf(text, 32, "%.10s%s%.8s", kind ? kind : "?", owner ? " " : "", owner ? owner : "");
    return text;
}

static ro_status print_transfer(const cJSON *t, ro_err *err)
{
    char when[32] = "?", amount[40], from[32], to[32];
    const char *purpose, *task = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(t, "task"));
    int64_t n;
    uint64_t ms;
    RO_TRY(sv_field_u64(t, "at_ms", &ms, err));
    RO_TRY(sv_field_i64(t, "amount", &n, err));
    RO_TRY(sv_field_text(t, "purpose", &purpose, err));
    time_t at = (time_t)(ms / 1000);
    struct tm tm;
    if (gmtime_r(&at, &tm)) (void)strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &tm);
    side_of(t, "from", from);
    side_of(t, "to", to);
    printf("%-19s  %-14.14s %16s  %-19s -> %-19s  %.8s\n", when, purpose, sv_money(n, amount), from,
           to, task ? task : "");
    return RO_OK;
}

/* A page of at most 200 transfers; *next: the cursor of the one after it, "" none. */
static ro_status statement_page(sv_remote *r, const char *hex, uint64_t left, char next[128],
                                cJSON *all, uint64_t *printed, ro_err *err)
{
    char path[SV_PATH_MAX];
    cJSON *o = NULL;
    const cJSON *list = NULL, *t;
    snprintf(path, sizeof path, "/v1/accounts/%s/transfers?limit=%" PRIu64 "%s%.120s", hex,
             left < 200 ? left : 200, next[0] ? "&cursor=" : "", next);
    RO_TRY(sv_get_json(r, path, &o, err));
    ro_status st = sv_field_list(o, "transfers", &list, err);
    if (!st) {
        cJSON_ArrayForEach(t, list) {
            if (all) cJSON_AddItemToArray(all, cJSON_Duplicate(t, 1));
            else if (!st) st = print_transfer(t, err);
            ++*printed;
        }
    }
    const char *more = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "next"));
    snprintf(next, 128, "%.120s", more && cJSON_GetArraySize(list) ? more : "");
    cJSON_Delete(o);
    return st;
}

static ro_status statement(const cli_args *a, sv_remote *r, ro_err *err)
{
    vd_digest id;
    char hex[65], next[128] = "";
    uint64_t most = 50, printed = 0;
    RO_TRY(cli_number(a, "--limit", 1, 1000000, &most, err));
    RO_TRY(which_account(a, r, a->word_count > 1 ? a->words[1] : NULL, &id, err));
    vd_digest_hex(&id, hex);
    cJSON *all = cli_value(a, "--json") ? cJSON_CreateArray() : NULL;
    if (!all)
        printf("%-19s  %-14s %16s  %-19s    %-19s  %s\n", "when (UTC)", "purpose", "amount", "from",
               "to", "task");
    ro_status st = RO_OK;
    do st = statement_page(r, hex, most - printed, next, all, &printed, err);
    while (!st && next[0] && printed < most);
    if (st || !all) {
        cJSON_Delete(all);
        return st;
    }
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "schema", "verde-statement/1");
    cJSON_AddItemToObject(o, "transfers", all);
    cli_json(o);
    return RO_OK;
}

/* ---- bind -------------------------------------------------------------------------------- */

static ro_status bind_proof(sv_remote *r, const vd_key *key, const vd_digest *account,
                            char proof[129], ro_err *err)
{
    cJSON *o = NULL;
    vd_digest referee = {{0}};
    uint8_t both[2 * VD_DIGEST], hash[VD_DIGEST], signature[64];
    RO_TRY(sv_get_json(r, "/v1/server", &o, err));
    ro_status st = sv_field_digest(o, "referee", &referee, NULL, err);
    cJSON_Delete(o);
    RO_TRY(st);
    memcpy(both, referee.b, VD_DIGEST);
    memcpy(both + VD_DIGEST, account->b, VD_DIGEST);
    vd_tagged_hash("verde/1 account key", both, sizeof both, hash);
    RO_TRY(vd_sign(key, hash, sizeof hash, signature, err));
    for (size_t k = 0; k < sizeof signature; k++) snprintf(proof + 2 * k, 3, "%02x", signature[k]);
    return RO_OK;
}

static ro_status bind_key(const cli_args *a, sv_remote *r, ro_err *err)
{
    vd_digest account;
    vd_key *key = NULL;
    char hex[65], path[SV_PATH_MAX], text[65], proof[129];
    if (!cli_value(a, "--key")) return RO_FAIL(err, RO_EUSAGE, "bind needs --key KEY.pem");
    RO_TRY(which_account(a, r, a->word_count > 1 ? a->words[1] : NULL, &account, err));
    RO_TRY(vd_key_load(cli_value(a, "--key"), &key, err));
    ro_status st = bind_proof(r, key, &account, proof, err);
    vd_digest public;
    memcpy(public.b, vd_key_public(key), VD_DIGEST);
    vd_key_free(key);
    RO_TRY(st);
    vd_digest_hex(&account, hex);
    vd_digest_hex(&public, text);
    cJSON *body = cJSON_CreateObject(), *o = NULL;
    cJSON_AddStringToObject(body, "key", text);
    cJSON_AddStringToObject(body, "proof", proof);
    snprintf(path, sizeof path, "/v1/accounts/%s/keys", hex);
    RO_TRY(sv_post_json(r, path, body, &o, err));
    if (cli_value(a, "--json")) {
        cli_json(o);
        return RO_OK;
    }
    printf("key %.16s... belongs to account %.16s... from now on\n", text, hex);
    cJSON_Delete(o);
    return RO_OK;
}

/* ---- the whole ledger -------------------------------------------------------------------- */

/* What is where, and that it adds up: the mint has below 0 what everybody else has. */
static ro_status show_ledger(const cli_args *a, sv_remote *r, ro_err *err)
{
    static const char *const names[] = {"free", "held", "escrow", "treasury", "burn", "mint"};
    cJSON *o = NULL;
    char text[40];
    int64_t n, sum = 0;
    RO_TRY(sv_get_json(r, "/v1/ledger", &o, err));
    if (cli_value(a, "--json")) {
        cli_json(o);
        return RO_OK;
    }
    ro_status st = RO_OK;
    for (size_t k = 0; !st && k < sizeof names / sizeof *names; k++) {
        st = sv_field_i64(o, names[k], &n, err);
        if (!st && __builtin_add_overflow(sum, n, &sum))
            st = RO_FAIL(err, RO_EFORMAT, "the server's balances do not fit 64 bits");
        if (!st) printf("%-8s %24s\n", names[k], sv_money(n, text));
    }
    cJSON_Delete(o);
    if (!st) printf("%-8s %24s\n", "sum", sv_money(sum, text));
    return st || sum == 0 ? st : RO_FAIL(err, RO_EDIFFER, "the ledger does not add up to 0");
}

/* ---- the command ------------------------------------------------------------------------- */

static ro_status run(const cli_args *a, int *exit_code, ro_err *err)
{
    static const struct {
        const char *name;
        uint32_t least, most;
        int token;
        ro_status (*run)(const cli_args *a, sv_remote *r, ro_err *err);
    } commands[] = {{"new", 2, 2, 1, make_account},
                    {"deposit", 3, 3, 1, deposit},
                    {"show", 1, 2, 0, show_account},
                    {"statement", 1, 2, 0, statement},
                    {"bind", 1, 2, 1, bind_key},
                    {"ledger", 1, 1, 0, show_ledger}};
    sv_remote *r = NULL;
    (void)exit_code;
    for (size_t k = 0; k < sizeof commands / sizeof *commands; k++) {
        if (strcmp(commands[k].name, a->words[0]) != 0) continue;
        if (a->word_count < commands[k].least || a->word_count > commands[k].most)
            return RO_FAIL(err, RO_EUSAGE, "verde-account %s takes %u to %u words; see --help",
                           a->words[0], commands[k].least - 1, commands[k].most - 1);
        RO_TRY(sv_command_server(a, commands[k].token, &r, err));
        ro_status st = commands[k].run(a, r, err);
        sv_remote_close(r);
        return st;
    }
    return RO_FAIL(err, RO_EUSAGE, "%.60s is no command of verde-account; see --help", a->words[0]);
}

int main(int argc, char **argv)
{
    cli_option options[] = {{.name = "--server", .has_value = 1},
                            {.name = "--token", .has_value = 1},
                            {.name = "--key", .has_value = 1},
                            {.name = "--out", .has_value = 1},
                            {.name = "--limit", .has_value = 1},
                            {.name = "--json"},
                            {0}};
    const sv_program p = {"verde-account", usage_text, options, 1, 3, run};
    sv_catch_signals();
    return sv_program_main(&p, argc, argv);
}
