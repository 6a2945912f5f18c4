/*
 * address: how to reach the box, as this visitor is to be told.
 *
 * The plain address comes first everywhere: that of [lan] if the box has one, else the one that
 * the visitor came by. Links within pages are relative and keep the host of the visitor.
 */
#ifndef WEB_ADDRESS_H
#define WEB_ADDRESS_H

#include "web/route.h"

#define ADDRESS_MAX  300
#define ADDRESS_WAYS 3

struct address {
    char origin[ADDRESS_MAX];            /* "http://10.77.0.1", without a slash at the end */
    char host[ADDRESS_MAX];              /* "10.77.0.1" */
    char names[ADDRESS_MAX];             /* "http://riad.lan, http://riad.local"; "" none */
    char way[ADDRESS_WAYS][ADDRESS_MAX]; /* these addresses of the box, one by one, as origin */
    size_t way_count;
    char ssh[ADDRESS_MAX]; /* "ssh -p 2222 NAME@10.77.0.1"; "" if the chat is off */
    char scp[ADDRESS_MAX]; /* "scp -P 2222 slides.pdf NAME@10.77.0.1:" */
};

/* Fills it for this visitor; name is the person's, "ada" for a guest. */
void address_of(const struct call *call, struct address *address);

/* The same from a configuration, the Host that the visitor sent ("" none) and the box's name by
 * mDNS without .local ("" none). Pure. */
void address_make(const struct config *config, const char *asked_host, const char *local,
                  const char *name, struct address *address);

#endif
