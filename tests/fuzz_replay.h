/* fuzz_replay.h - the main of a fuzz target that is built without libFuzzer: it runs the target
 * on every file it is given, and on every file in the folders it is given. */
#ifndef FUZZ_REPLAY_H
#define FUZZ_REPLAY_H
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void write_seeds(const char *folder);

#ifdef REPLAY
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned replayed;

static void replay(const char *path)
{
    DIR *d = opendir(path);
    if (d) {
        const struct dirent *e;
        while ((e = readdir(d))) {
            char name[4096];
            if (e->d_name[0] == '.') continue;
            snprintf(name, sizeof name, "%s/%s", path, e->d_name);
            replay(name);
        }
        closedir(d);
        return;
    }
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END)) exit(fprintf(stderr, "cannot read %s\n", path));
    size_t n = (size_t)ftell(f);
    uint8_t *bytes = malloc(n ? n : 1); /* its own block: a sanitizer sees a read past the end */
    rewind(f);
    if (!bytes || fread(bytes, 1, n, f) != n) exit(fprintf(stderr, "cannot read %s\n", path));
    fclose(f);
    LLVMFuzzerTestOneInput(bytes, n);
    free(bytes);
    replayed++;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--seeds") == 0) {
        write_seeds(argv[2]);
        return 0;
    }
    for (int k = 1; k < argc; k++) replay(argv[k]);
    printf("%u inputs replayed\n", replayed);
    return replayed == 0;
}
#endif
#endif
