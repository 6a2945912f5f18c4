/* The web's listening sockets in the places of those that civetweb opened. */
#include "web/accept.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* A listening socket on any port, and which. */
static int listen_anywhere(in_port_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *port = address.sin_port;
    return fd;
}

static in_port_t port_of(int fd)
{
    struct sockaddr_in address = {0};
    socklen_t size = sizeof address;

    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    return address.sin_port;
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
}

static void test_takes_the_places_in_order(void **state)
{
    in_port_t ports[2], port;
    int ours[] = {listen_anywhere(&ports[0]), listen_anywhere(&ports[1])};
    int theirs[2];
    struct accept doors = {.adopted = false};

    (void)state;
    accept_prepare(&doors, ours, 2, 8);
    theirs[0] = listen_anywhere(&port);
    theirs[1] = listen_anywhere(&port);
    accept_adopt(&doors);
    assert_true(doors.adopted);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(doors.places[i], theirs[i]);
        assert_int_equal(port_of(theirs[i]), ports[i]);
        assert_int_equal(port_of(ours[i]), ports[i]);
        assert_int_equal(fcntl(theirs[i], F_GETFD), FD_CLOEXEC);
    }
    close_all(theirs, 2);
    close_all(ours, 2);
}

/* The drop's keeper opens and closes files meanwhile, in a thread of its own. */
static void test_a_number_that_was_in_use_before(void **state)
{
    in_port_t ours_port, port;
    int ours = listen_anywhere(&ours_port), file = open("/dev/null", O_RDONLY | O_CLOEXEC), theirs;
    struct accept doors = {.adopted = false};

    (void)state;
    accept_prepare(&doors, &ours, 1, 8);
    close(file);
    theirs = listen_anywhere(&port);
    assert_int_equal(theirs, file);
    accept_adopt(&doors);
    assert_true(doors.adopted);
    assert_int_equal(port_of(theirs), ours_port);
    close(theirs);
    close(ours);
}

static void test_one_that_is_missing(void **state)
{
    in_port_t port;
    int ours[] = {listen_anywhere(&port), listen_anywhere(&port)}, theirs;
    struct accept doors = {.adopted = false};

    (void)state;
    accept_prepare(&doors, ours, 2, 8);
    theirs = listen_anywhere(&port);
    accept_adopt(&doors);
    assert_false(doors.adopted);
    close(theirs);
    close_all(ours, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes_the_places_in_order),
        cmocka_unit_test(test_a_number_that_was_in_use_before),
        cmocka_unit_test(test_one_that_is_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
