/*
 * embed: a file of the source tree within the program.
 *
 *     EMBED(schema, "identity/schema.sql");
 *
 * defines `const char schema[]`, followed by a NUL that does not count, and `const char
 * schema_end[]`. The path is relative to the top of the tree; the Makefile names such files in
 * EMBEDDED.
 */
#ifndef BASE_EMBED_H
#define BASE_EMBED_H

#define EMBED(name, path)                                                                          \
    __asm__(".pushsection .rodata, \"a\"\n.balign 16\n" #name ":\n.incbin \"" path "\"\n" #name    \
            "_end:\n.byte 0\n.popsection\n");                                                      \
    extern const char name[];                                                                      \
    extern const char name##_end[]

#endif
