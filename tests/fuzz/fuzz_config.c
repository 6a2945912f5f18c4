/* Any file is accepted or refused with sentences; what is accepted reads back as the same. */
#include "config/config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hear(void *context, const char *sentence)
{
    assert(strncmp(sentence, "fuzz:", 5) == 0);
    ++*(int *)context;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config config, again;
    struct config_change change;
    struct buf text;
    int complaints = 0;

    if (config_parse(&config, "fuzz", data, size, hear, &complaints) < 0) {
        assert(complaints > 0);
        return 0;
    }
    assert(complaints == 0);
    buf_init(&text, 4 * 1024 * 1024);
    config_put(&text, &config);
    assert(config_parse_whole(&again, "fuzz", text.data, text.len, hear, &complaints) == 0);
    config_compare(&config, &again, &change);
    assert(change.chat == CONFIG_SAME && change.web == CONFIG_SAME &&
           change.mirror == CONFIG_SAME && change.dhcp == CONFIG_SAME && change.box.count == 0);
    buf_done(&text);
    config_done(&config);
    config_done(&again);
    return 0;
}
