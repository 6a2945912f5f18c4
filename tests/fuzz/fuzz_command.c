/* The command parser, at each door, and what it keeps of a line. */
#include "base/mem.h"
#include "chat/command.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum door doors[] = {DOOR_TERMINAL, DOOR_LINES, DOOR_EXEC};
    char *line = mem_dup_bytes(data, size);

    for (size_t i = 0; i < 3; i++) {
        struct request request = {.door = doors[i], .style = {.form = RENDER_LINE}};

        request_init(&request);
        if (command_parse(&request, line) == 0) {
            char *rest = request.arguments, *word;

            assert(request.command != NULL && (request.command->doors & doors[i]));
            assert(strlen(request.arguments) <= size);
            assert(request.option_count <= COMMAND_MAX_OPTIONS);
            while ((word = command_word(&rest)) != NULL)
                assert(word[0] != '\0');
        } else {
            assert(request.status == 2 && request.err.len > 0);
        }
        request_done(&request);
    }
    render_mentions(line, "ada");
    free(line);
    return 0;
}
