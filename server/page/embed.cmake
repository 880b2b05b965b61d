# The files of the pages as C: cmake -DFOLDER=server/page -DOUT=page_assets.c -P embed.cmake
# Each is an array of its bytes with its type and, as its ETag, the beginning of its digest.
set(arrays "")
set(rows "")
foreach(name verde.css live.js favicon.svg)
  if(name MATCHES "css$")
    set(type "text/css; charset=utf-8")
  elseif(name MATCHES "js$")
    set(type "text/javascript; charset=utf-8")
  else()
    set(type "image/svg+xml")
  endif()
  file(READ ${FOLDER}/${name} hex HEX)
  file(SHA256 ${FOLDER}/${name} digest)
  string(SUBSTRING ${digest} 0 32 digest)
  string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
  string(MAKE_C_IDENTIFIER ${name} array)
  string(APPEND arrays "static const unsigned char ${array}[] = {\n${hex}\n};\n")
  string(APPEND rows "    {\"/${name}\", \"${type}\", \"${digest}\", ${array}, sizeof ${array}},\n")
endforeach()
file(WRITE ${OUT} "/* Made by server/page/embed.cmake. */
#include \"server/page/page.h\"

#include <string.h>

${arrays}
static const sv_page_asset assets[] = {
${rows}};

const sv_page_asset *sv_page_find_asset(const char *path)
{
    for (size_t k = 0; k < sizeof assets / sizeof *assets; k++)
        if (strcmp(assets[k].path, path) == 0) return &assets[k];
    return NULL;
}
")
