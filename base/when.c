#include "base/when.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define DAY_S 86400

static _Atomic int64_t base = WHEN_NO_BASE;

static int64_t clock_ms(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t when_machine_ms(void)
{
    return clock_ms(CLOCK_REALTIME);
}

int64_t when_made_ms(void)
{
    struct stat self;

    return stat("/proc/self/exe", &self) < 0 ? 0 : (int64_t)self.st_mtime * 1000;
}

bool when_machine_is_set(void)
{
    return when_machine_ms() >= when_made_ms() - DAY_S * INT64_C(1000);
}

int64_t when_wall_ms(void)
{
    int64_t now = when_machine_ms(), least = atomic_load(&base);

    if (least == WHEN_NO_BASE)
        return now;
    least += when_monotonic_ms();
    return now > least ? now : least;
}

void when_set_base(int64_t base_ms)
{
    bool sane = base_ms < WHEN_LAST_MS - when_monotonic_ms();

    atomic_store(&base, sane ? base_ms : WHEN_NO_BASE);
}

int64_t when_monotonic_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}

void when_set_zone(const char *zone)
{
    if (*zone == '\0')
        unsetenv("TZ");
    else
        setenv("TZ", zone, 1);
    tzset();
}

/* Seconds of a time in milliseconds, downwards also before 1970. */
static time_t seconds_of(int64_t ms)
{
    return (time_t)(ms / 1000 - (ms % 1000 < 0));
}

static struct tm local_of(int64_t wall_ms)
{
    time_t seconds = seconds_of(wall_ms);
    struct tm tm;

    if (localtime_r(&seconds, &tm) == NULL)
        memset(&tm, 0, sizeof(tm));
    return tm;
}

void when_rfc3339(int64_t wall_ms, char *out)
{
    struct tm tm = local_of(wall_ms);
    long offset = tm.tm_gmtoff / 60;
    size_t length = strftime(out, WHEN_MAX - 7, "%Y-%m-%dT%H:%M:%S", &tm);
    char sign = offset < 0 ? '-' : '+';

    if (offset < 0)
        offset = -offset;
    snprintf(out + length, WHEN_MAX - length, "%c%02d:%02d", sign, (int)(offset / 60 % 100),
             (int)(offset % 60));
}

void when_day(int64_t wall_ms, char *out)
{
    struct tm tm = local_of(wall_ms);

    strftime(out, WHEN_MAX, "%Y-%m-%d", &tm);
}

void when_clock(int64_t wall_ms, char *out)
{
    struct tm tm = local_of(wall_ms);

    strftime(out, WHEN_MAX, "%H:%M", &tm);
}

/* Written out, since strftime's names of days and months follow the locale. */
static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char *const long_days[7] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                         "Thursday", "Friday", "Saturday"};
static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

void when_http(int64_t wall_ms, char *out)
{
    time_t seconds = seconds_of(wall_ms);
    struct tm tm;

    if (gmtime_r(&seconds, &tm) == NULL)
        memset(&tm, 0, sizeof(tm));
    strftime(out, WHEN_MAX, "___, %d ___ %Y %H:%M:%S GMT", &tm);
    memcpy(out, days[tm.tm_wday], 3);
    memcpy(out + 8, months[tm.tm_mon], 3);
}

/* Reads text by a pattern: `0` a digit into *value, `_` a digit or blank, `#` the end of a number,
 * anything else itself. Each run of digits is one number. */
static bool scan(const char **text, const char *pattern, int *values)
{
    const char *at = *text;

    for (; *pattern != '\0'; pattern++, at++) {
        bool digit = *at >= '0' && *at <= '9';

        if (*pattern == '#') {
            values++;
            at--;
        } else if (*pattern == '0' || *pattern == '_') {
            if (!digit && !(*pattern == '_' && *at == ' '))
                return false;
            *values = *values * 10 + (digit ? *at - '0' : 0);
        } else if (*at != *pattern) {
            return false;
        }
    }
    *text = at;
    return true;
}

static int scan_month(const char **text)
{
    for (int i = 0; i < 12; i++) {
        if (strncmp(*text, months[i], 3) == 0) {
            *text += 3;
            return i;
        }
    }
    return -1;
}

static bool valid_date(int year, int month, int day)
{
    static const int lengths[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    if (month < 0 || month > 11 || day < 1)
        return false;
    return day <= lengths[month] + (month == 1 && leap);
}

/* Milliseconds of a UTC date and time; false if there is no such moment. */
static bool utc_ms(const struct tm *given, int64_t *wall_ms)
{
    struct tm tm = *given;

    if (!valid_date(tm.tm_year + 1900, tm.tm_mon, tm.tm_mday) || tm.tm_hour > 23 ||
        tm.tm_min > 59 || tm.tm_sec > 60)
        return false;
    *wall_ms = (int64_t)timegm(&tm) * 1000;
    return true;
}

/* RFC 9110, 5.6.7: a year of two digits that seems more than 50 years ahead is in the past. */
static int full_year(int two_digits)
{
    struct tm now = local_of(when_wall_ms());
    int year = (now.tm_year + 1900) / 100 * 100 + two_digits;

    return year > now.tm_year + 1900 + 50 ? year - 100 : year;
}

static int put_parts(const int *date, int month, int year, int64_t *wall_ms)
{
    struct tm tm = {.tm_mday = date[0],
                    .tm_mon = month,
                    .tm_year = year - 1900,
                    .tm_hour = date[1],
                    .tm_min = date[2],
                    .tm_sec = date[3]};

    return month >= 0 && utc_ms(&tm, wall_ms) ? 0 : -1;
}

static size_t scan_day_name(const char *text, bool is_long)
{
    for (int i = 0; i < 7; i++) {
        const char *name = is_long ? long_days[i] : days[i];

        if (strncmp(text, name, strlen(name)) == 0)
            return strlen(name);
    }
    return 0;
}

/* Sun, 06 Nov 1994 08:49:37 GMT */
static int parse_imf(const char *text, int64_t *wall_ms)
{
    int date[6] = {0}, year = 0, month;

    text += 3;
    if (!scan(&text, ", 00# ", date) || (month = scan_month(&text)) < 0 ||
        !scan(&text, " 0000", &year) || !scan(&text, " 00#:00#:00# GMT", date + 1) || *text != '\0')
        return -1;
    return put_parts(date, month, year, wall_ms);
}

/* Sunday, 06-Nov-94 08:49:37 GMT */
static int parse_rfc850(const char *text, int64_t *wall_ms)
{
    int date[6] = {0}, year = 0, month;

    text += scan_day_name(text, true);
    if (!scan(&text, ", 00#-", date) || (month = scan_month(&text)) < 0 ||
        !scan(&text, "-00", &year) || !scan(&text, " 00#:00#:00# GMT", date + 1) || *text != '\0')
        return -1;
    return put_parts(date, month, full_year(year), wall_ms);
}

/* Sun Nov  6 08:49:37 1994 */
static int parse_asctime(const char *text, int64_t *wall_ms)
{
    int date[6] = {0}, year = 0, month;

    text += 3;
    if (!scan(&text, " ", date) || (month = scan_month(&text)) < 0 ||
        !scan(&text, " _0# 00#:00#:00# ", date) || !scan(&text, "0000", &year) || *text != '\0')
        return -1;
    return put_parts(date, month, year, wall_ms);
}

int when_http_parse(const char *text, int64_t *wall_ms)
{
    if (scan_day_name(text, true) > 0)
        return parse_rfc850(text, wall_ms);
    if (scan_day_name(text, false) == 0)
        return -1;
    return text[3] == ',' ? parse_imf(text, wall_ms) : parse_asctime(text, wall_ms);
}

/* The moment of a local date and time. */
static int64_t local_ms(int year, int month, int day, int hour, int minute)
{
    struct tm tm = {.tm_year = year - 1900,
                    .tm_mon = month,
                    .tm_mday = day,
                    .tm_hour = hour,
                    .tm_min = minute,
                    .tm_isdst = -1};

    return (int64_t)mktime(&tm) * 1000;
}

int when_day_range(const char *day, int64_t *from_ms, int64_t *to_ms)
{
    int date[4] = {0};

    if (!scan(&day, "0000#-00#-00", date) || *day != '\0' ||
        !valid_date(date[0], date[1] - 1, date[2]))
        return -1;
    *from_ms = local_ms(date[0], date[1] - 1, date[2], 0, 0);
    *to_ms = local_ms(date[0], date[1] - 1, date[2] + 1, 0, 0);
    return 0;
}

/* Z, z, +HH:MM or -HH:MM to the end: seconds east. */
static bool parse_offset(const char *text, int *offset)
{
    int parts[3] = {0};
    char sign = *text;

    *offset = 0;
    if (sign == 'Z' || sign == 'z')
        return text[1] == '\0';
    text++;
    if ((sign != '+' && sign != '-') || !scan(&text, "00#:00#", parts) || *text != '\0' ||
        parts[0] > 23 || parts[1] > 59)
        return false;
    *offset = (parts[0] * 60 + parts[1]) * 60 * (sign == '-' ? -1 : 1);
    return true;
}

static int parse_rfc3339(const char *text, int64_t *wall_ms)
{
    int parts[8] = {0}, offset;
    struct tm tm = {0};
    int64_t fraction = 0, unit = 100;

    if (!scan(&text, "0000#-00#-00#", parts) || strchr("Tt ", *text) == NULL || *text == '\0')
        return -1;
    text++;
    if (!scan(&text, "00#:00#:00#", parts + 3))
        return -1;
    if (*text == '.' && text[1] >= '0' && text[1] <= '9') {
        for (text++; *text >= '0' && *text <= '9'; text++, unit /= 10)
            fraction += (*text - '0') * unit;
    }
    if (!parse_offset(text, &offset))
        return -1;
    tm.tm_year = parts[0] - 1900;
    tm.tm_mon = parts[1] - 1;
    tm.tm_mday = parts[2];
    tm.tm_hour = parts[3];
    tm.tm_min = parts[4];
    tm.tm_sec = parts[5];
    if (!utc_ms(&tm, wall_ms))
        return -1;
    *wall_ms += fraction - (int64_t)offset * 1000;
    return 0;
}

static int parse_clock(const char *text, int64_t now_ms, int64_t *wall_ms)
{
    int parts[3] = {0};
    struct tm now = local_of(now_ms);

    if (!scan(&text, "00#:00", parts) || *text != '\0' || parts[0] > 23 || parts[1] > 59)
        return -1;
    *wall_ms = local_ms(now.tm_year + 1900, now.tm_mon, now.tm_mday, parts[0], parts[1]);
    return 0;
}

static int parse_moment(const char *text, int64_t now_ms, int64_t *wall_ms)
{
    struct tm now = local_of(now_ms);
    int64_t back, to;
    bool yesterday = strcmp(text, "yesterday") == 0;

    if (yesterday || strcmp(text, "today") == 0) {
        *wall_ms = local_ms(now.tm_year + 1900, now.tm_mon, now.tm_mday - yesterday, 0, 0);
        return 0;
    }
    if (when_day_range(text, wall_ms, &to) == 0 || parse_rfc3339(text, wall_ms) == 0 ||
        parse_clock(text, now_ms, wall_ms) == 0)
        return 0;
    if (when_duration_parse(text, &back) < 0)
        return -1;
    *wall_ms = now_ms - back * 1000;
    return 0;
}

int when_parse(const char *text, int64_t now_ms, int64_t *wall_ms)
{
    if (parse_moment(text, now_ms, wall_ms) < 0)
        return -1;
    if (*wall_ms < 0)
        *wall_ms = 0;
    return 0;
}

/* A number and at most one of the letters of units, each worth worths[i]. */
static int parse_unit(const char *text, const char *units, const int64_t *worths, int64_t *result)
{
    int64_t number = 0, worth = 1;
    const char *unit;

    if (*text < '0' || *text > '9')
        return -1;
    for (; *text >= '0' && *text <= '9'; text++) {
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, *text - '0', &number))
            return -1;
    }
    if (*text != '\0') {
        unit = strchr(units, *text);
        if (unit == NULL || text[1] != '\0')
            return -1;
        worth = worths[unit - units];
    }
    return __builtin_mul_overflow(number, worth, result) ? -1 : 0;
}

int when_duration_parse(const char *text, int64_t *seconds)
{
    static const int64_t worths[] = {1, 60, 3600, DAY_S};

    /* A hundred years are enough, and leave room for milliseconds. */
    if (parse_unit(text, "smhd", worths, seconds) < 0 || *seconds > (int64_t)36525 * DAY_S)
        return -1;
    return 0;
}

int when_size_parse(const char *text, int64_t *bytes)
{
    static const int64_t worths[] = {1 << 10, 1 << 20, 1 << 30, (int64_t)1 << 40};

    return parse_unit(text, "KMGT", worths, bytes);
}

void when_duration_text(int64_t seconds, char *out)
{
    if (seconds < 60)
        snprintf(out, WHEN_MAX, "%" PRId64 " s", seconds);
    else if (seconds < 3600)
        snprintf(out, WHEN_MAX, "%" PRId64 " min", seconds / 60);
    else if (seconds < 2 * DAY_S)
        snprintf(out, WHEN_MAX, "%" PRId64 " h", seconds / 3600);
    else
        snprintf(out, WHEN_MAX, "%" PRId64 " days", seconds / DAY_S);
}

void when_size_text(int64_t bytes, char *out)
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB", "PB", "EB"};
    uint64_t value = (uint64_t)bytes, worth = 1, tenths;
    size_t unit = 0;

    /* 999.5 kB would be written as 1000 kB: it is 1.0 MB. */
    while (unit + 1 < sizeof(units) / sizeof(units[0]) && value >= worth * 1000 - worth / 2) {
        worth *= 1000;
        unit++;
    }
    if (unit == 0) {
        snprintf(out, WHEN_MAX, "%" PRId64 " %s", bytes, bytes == 1 ? "byte" : units[0]);
        return;
    }
    tenths = (value + worth / 20) / (worth / 10);
    if (tenths < 100)
        snprintf(out, WHEN_MAX, "%d.%d %s", (int)(tenths / 10), (int)(tenths % 10), units[unit]);
    else
        snprintf(out, WHEN_MAX, "%d %s", (int)((value + worth / 2) / worth), units[unit]);
}

void when_limit_text(int64_t bytes, char *out)
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
    size_t unit = 0;

    for (; unit < 4 && (bytes >= 10240 || (bytes >= 1024 && bytes % 1024 == 0)); bytes /= 1024)
        unit++;
    snprintf(out, WHEN_MAX, "%" PRId64 " %s", bytes, units[unit]);
}
