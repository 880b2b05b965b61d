# A file as C: cmake -DFILE=docs/openapi.json -DNAME=sv_openapi -DOUT=openapi.c -P embed.cmake
file(READ ${FILE} hex HEX)
string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
file(WRITE ${OUT} "/* Made by server/embed.cmake. */
#include \"server/api.h\"

static const unsigned char bytes[] = {
${hex}
};
const sv_embedded ${NAME} = {bytes, sizeof bytes};
")
