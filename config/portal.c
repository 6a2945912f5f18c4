#include "config/portal.h"

#include <stddef.h>

const char *const portal_names[] = {
    "connectivitycheck.gstatic.com", "connectivitycheck.android.com",
    "clients3.google.com",           "captive.apple.com",
    "www.msftconnecttest.com",       "www.msftncsi.com",
    "detectportal.firefox.com",      "nmcheck.gnome.org",
    "network-test.debian.org",       "connectivity-check.ubuntu.com",
    "networkcheck.kde.org",          NULL,
};
