#include "web/archive.h"

#include "scratch.h"

static void crc(void **state)
{
    (void)state;
    assert_int_equal(archive_crc(0, "123456789", 9), 0xcbf43926);
    assert_int_equal(archive_crc(archive_crc(0, "1234", 4), "56789", 5), 0xcbf43926);
    assert_int_equal(archive_crc(0, "", 0), 0);
}

static void put_body(struct buf *out, const char *text)
{
    buf_puts(out, text);
}

/* A real reader takes what was written. */
static void listed(const char *command, const char *path, const char *more, const char *expected)
{
    char line[512], got[512] = "";
    snprintf(line, sizeof line, "%s %s %s", command, path, more);
    FILE *pipe = popen(line, "r");
    assert_non_null(pipe);
    assert_true(fread(got, 1, sizeof got - 1, pipe) > 0);
    assert_int_equal(pclose(pipe), 0);
    assert_string_equal(got, expected);
}

static void save(const char *path, const struct buf *out)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(out->data, 1, out->len, file), out->len);
    fclose(file);
}

static void tar(void **state)
{
    char name[300] = "dir/";
    struct buf out;
    memset(name + 4, 'n', 200);
    struct archive_file files[] = {
        {.path = "a.txt",          .size = 2},
        {.path = "d/\xc3\xa9.txt", .size = 1, .modified_ms = 1000},
        {.path = name,                        .size = 0                     }
    };
    buf_init(&out, 65536);
    for (size_t i = 0; i < 3; i++) {
        archive_tar_head(&out, &files[i]);
        put_body(&out, files[i].size == 2 ? "hi" : files[i].size == 1 ? "x" : "");
        for (int64_t left = archive_tar_padding(files[i].size); left > 0; left--)
            buf_putc(&out, 0);
    }
    archive_tar_end(&out);
    assert_int_equal(out.len % 512, 0);
    char *path = scratch_path(*state, "t.tar"), expected[400];
    save(path, &out);
    snprintf(expected, sizeof expected, "a.txt\nd/\xc3\xa9.txt\n%s\n", name);
    listed("tar --quoting-style=literal -tf", path, "", expected);
    listed("tar -xOf", path, "a.txt", "hi");
    buf_done(&out);
}

/* More than eleven octal digits need a pax record. */
static void large_tar(void **state)
{
    struct buf out;
    const struct archive_file file = {.path = "x", .size = INT64_C(1) << 36};
    (void)state;
    buf_init(&out, 65536);
    archive_tar_head(&out, &file);
    assert_int_equal(out.len, 3 * 512);
    assert_string_equal((char *)out.data + 512, "20 size=68719476736\n");
    buf_done(&out);
}

static void zip(void **state)
{
    struct buf out;
    struct archive_file files[] = {
        {.path = "a.txt", .size = 2, .modified_ms = 1795363884000},
        {.path = "d/\xc3\xa9.txt",               .size = 0}
    };
    files[0].crc = archive_crc(0, "hi", 2);
    buf_init(&out, 65536);
    for (size_t i = 0; i < 2; i++) {
        files[i].offset = (int64_t)out.len;
        archive_zip_head(&out, &files[i]);
        put_body(&out, files[i].size == 2 ? "hi" : "");
    }
    int64_t offset = (int64_t)out.len;
    archive_zip_entry(&out, &files[0]);
    archive_zip_entry(&out, &files[1]);
    archive_zip_end(&out, 2, (int64_t)out.len - offset, offset);
    char *path = scratch_path(*state, "t.zip");
    save(path, &out);
    listed("/usr/bin/python3 -m zipfile -t", path, "", "Done testing\n");
    buf_done(&out);
}

/* Beyond 4 GiB the 64-bit fields stand in their place. */
static void large_zip(void **state)
{
    struct buf out;
    const struct archive_file file = {
        .path = "x", .size = INT64_C(5) << 30, .offset = INT64_C(6) << 30};
    (void)state;
    buf_init(&out, 65536);
    archive_zip_head(&out, &file);
    assert_int_equal(out.len, 30 + 1 + 20);
    buf_clear(&out);
    archive_zip_entry(&out, &file);
    assert_int_equal(out.len, 46 + 1 + 28);
    buf_clear(&out);
    archive_zip_end(&out, 1, 75, INT64_C(6) << 30);
    assert_int_equal(out.len, 56 + 20 + 22);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc),
        cmocka_unit_test_setup_teardown(tar, scratch_setup, scratch_teardown),
        cmocka_unit_test(large_tar),
        cmocka_unit_test_setup_teardown(zip, scratch_setup, scratch_teardown),
        cmocka_unit_test(large_zip),
    };
    return cmocka_run_group_tests_name("archive", tests, NULL, NULL);
}
