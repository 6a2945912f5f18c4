#include "web/home.h"

#include "web/address.h"
#include "web/page.h"

void home_answer(struct call *call)
{
    struct address address;
    address_of(call, &address);
    reply_text(call->http, 200, "%s/\n", address.origin);
}
