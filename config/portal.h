/*
 * portal: the names by which operating systems probe for a captive portal.
 *
 * With `[dhcp] portal = on`, riad-dhcp answers for them with the box's own address while there is
 * no internet, and riad-web leads whoever asks under one of them to a real browser.
 */
#ifndef CONFIG_PORTAL_H
#define CONFIG_PORTAL_H

/* Android, Apple, Windows, Firefox, GNOME, Debian, Ubuntu, KDE; a NULL ends them. */
extern const char *const portal_names[];

#endif
