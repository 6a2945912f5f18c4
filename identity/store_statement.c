#include "identity/store_statement.h"

#include "base/mem.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAX_STATEMENTS 192 /* far more than riad has; a bound on those that are put together */

static void statement_free(struct statement *statement)
{
    sqlite3_finalize(statement->compiled);
    free(statement->sql);
    free(statement);
}

void statements_drop(struct statements *cache)
{
    for (size_t bucket = 0; bucket < STATEMENT_BUCKETS; bucket++) {
        struct statement **link = &cache->buckets[bucket];
        while (*link) {
            struct statement *statement = *link;
            if (statement->busy) {
                link = &statement->next;
                continue;
            }
            *link = statement->next;
            statement_free(statement);
            cache->kept--;
        }
    }
}

static size_t bucket_of(const char *sql)
{
    uint32_t hash = 2166136261u;
    for (; *sql; sql++)
        hash = (hash ^ (uint8_t)*sql) * 16777619u;
    return hash % STATEMENT_BUCKETS;
}

static struct statement *statement_prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *compiled = NULL;
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &compiled, NULL) != SQLITE_OK)
        return NULL;
    struct statement *statement = mem_alloc(sizeof *statement);
    statement->compiled = compiled;
    statement->sql = mem_dup(sql);
    return statement;
}

struct statement *statement_acquire(struct statements *cache, sqlite3 *db, const char *sql)
{
    struct statement **bucket = &cache->buckets[bucket_of(sql)];
    struct statement *statement = *bucket;
    while (statement && strcmp(statement->sql, sql) != 0)
        statement = statement->next;
    bool keep = !statement;
    if (!statement || statement->busy) {
        statement = statement_prepare(db, sql);
        if (!statement)
            return NULL;
    }
    if (keep) {
        if (cache->kept >= MAX_STATEMENTS)
            statements_drop(cache);
        statement->kept = true;
        statement->next = *bucket;
        *bucket = statement;
        cache->kept++;
    }
    statement->busy = true;
    return statement;
}

void statement_release(struct statement *statement)
{
    if (!statement->kept) {
        statement_free(statement);
        return;
    }
    sqlite3_reset(statement->compiled);
    sqlite3_clear_bindings(statement->compiled);
    statement->busy = false;
}

void statement_bind(struct statement *statement, bool copy, const char *types, va_list values)
{
    sqlite3_destructor_type life = copy ? SQLITE_TRANSIENT : SQLITE_STATIC;
    sqlite3_stmt *compiled = statement->compiled;
    int index = 0;
    assert((int)strlen(types) == sqlite3_bind_parameter_count(compiled));
    for (const char *type = types; *type; type++) {
        index++;
        if (*type == 'i') {
            sqlite3_bind_int64(compiled, index, va_arg(values, int64_t));
        } else if (*type == 's') {
            sqlite3_bind_text(compiled, index, va_arg(values, const char *), -1, life);
        } else if (*type == 'b') {
            const void *bytes = va_arg(values, const void *);
            size_t length = va_arg(values, size_t);
            sqlite3_bind_blob64(compiled, index, bytes, length, life);
        } else {
            assert(*type == 'n');
        }
    }
}
