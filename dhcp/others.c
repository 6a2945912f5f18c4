#include "dhcp/others.h"

void others_forget(struct others *others)
{
    others->decided = false;
    others_interrupt(others);
}

void others_interrupt(struct others *others)
{
    if (others->asking || !others->decided)
        others->next_ms = 0;
    others->asking = false;
}

bool others_due(struct others *others, int64_t now_ms)
{
    if (others->asking || now_ms < others->next_ms)
        return false;
    others->asking = true;
    return true;
}

void others_rival(struct others *others, int64_t now_ms)
{
    if (others->asking || now_ms < others->rival_ms)
        return;
    others->rival_ms = now_ms + OTHERS_RIVAL_MS;
    others->next_ms = now_ms;
}

void others_found(struct others *others, const struct probe_server *found, int64_t now_ms)
{
    others->server = *found;
    others->decided = true;
    others->asking = false;
    others->next_ms = now_ms + OTHERS_AGAIN_MS;
}
