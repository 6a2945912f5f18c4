#include "supervisor/reload.h"

#include "base/log.h"
#include "base/when.h"
#include "supervisor/notify.h"

bool reload_wanted(const struct config *config, enum service_id id)
{
    switch (id) {
    case SERVICE_CHAT:
        return config->chat.enabled;
    case SERVICE_WEB:
        return config->web.enabled;
    case SERVICE_MIRROR:
        for (size_t i = 0; i < config->mirror_count; i++)
            if (config->mirror[i].enabled)
                return true;
        return false;
    default:
        return true; /* riad-dhcp always runs: it also publishes the names by mDNS */
    }
}

static void complain(void *context, const char *sentence)
{
    (void)context;
    log_error("%s", sentence);
}

#define SWAP(type, one, other)                                                                     \
    do {                                                                                           \
        type kept_ = (one);                                                                        \
        (one) = (other);                                                                           \
        (other) = kept_;                                                                           \
    } while (0)

/* What only a full restart can change, and what was found out at the start, stays in force. */
static void keep_fixed(struct config *fresh, struct config *old)
{
    SWAP(char *, fresh->box.state, old->box.state);
    SWAP(char *, fresh->box.user, old->box.user);
    SWAP(char *, fresh->dhcp.user, old->dhcp.user);
    SWAP(struct config_list, fresh->chat.listen, old->chat.listen);
    SWAP(struct config_list, fresh->web.listen, old->web.listen);
    SWAP(char *, fresh->lan.interface, old->lan.interface);
    SWAP(uint32_t, fresh->lan.address, old->lan.address);
    SWAP(int, fresh->lan.prefix, old->lan.prefix);
    SWAP(struct config_facts, fresh->facts, old->facts);
}

static void name_fixed(const struct config_change *change)
{
    struct buf names;

    if (change->box.count == 0)
        return;
    buf_init(&names, 4096);
    for (size_t i = 0; i < change->box.count; i++)
        buf_printf(&names, "%s%s", i ? ", " : "", change->box.item[i]);
    log_warn("the configuration's %s changes only when the box is started again", buf_text(&names));
    buf_done(&names);
}

static void bring_to(struct kept *kept, const struct config *config, enum config_effort effort)
{
    bool wanted = reload_wanted(config, kept->id);

    if (wanted != kept->wanted) {
        kept->wanted = wanted;
        kept_happen(kept, wanted ? LIFE_START : LIFE_STOP);
    } else if (wanted && effort == CONFIG_SERVICE) {
        log_info("%s starts anew with the new configuration", service_name(kept->id));
        kept_happen(kept, LIFE_RENEW);
    } else if (wanted && effort != CONFIG_SAME) {
        kept_send_config(kept);
    }
}

static void apply(struct keeping *keeping, struct kept *services,
                  const struct config_change *change)
{
    const enum config_effort efforts[SERVICE_COUNT] = {
        [SERVICE_CHAT] = change->chat,
        [SERVICE_WEB] = change->web,
        [SERVICE_MIRROR] = change->mirror,
        [SERVICE_DHCP] = change->dhcp,
    };

    log_set_level(keeping->config.box.log);
    when_set_zone(keeping->config.box.zone);
    for (int id = 0; id < SERVICE_COUNT; id++)
        bring_to(&services[id], &keeping->config, efforts[id]);
    keeping->changed = true;
}

void reload(struct keeping *keeping, struct kept *services, const char *path)
{
    struct config_change change;
    struct config fresh;

    notify_send("RELOADING=1\nMONOTONIC_USEC=%lld", (long long)when_monotonic_ms() * 1000);
    if (config_load(&fresh, path, complain, NULL) < 0) {
        log_error("the new configuration is wrong; the old one stays in force");
        goto out;
    }
    config_compare(&keeping->config, &fresh, &change);
    name_fixed(&change);
    keep_fixed(&fresh, &keeping->config);
    config_done(&keeping->config);
    keeping->config = fresh;
    if (keeping_seal(keeping) == 0)
        apply(keeping, services, &change);
    log_info("read the configuration again");
out:
    notify_send("READY=1");
}
