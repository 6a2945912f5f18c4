# riad: one Makefile for the whole house. `make help` lists the targets.
#
# SAN=address,undefined builds with those sanitizers; each choice has its own build folder.

VERSION  := 0.1.0
PREFIX   ?= /usr
B        ?= build$(if $(SAN),-$(firstword $(subst $(comma), ,$(SAN))))
comma    := ,
ROOMS    := base config identity drop mirror supervisor chat web dhcp

CC       ?= cc
CFLAGS   ?= -O2 -g
WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wcast-qual \
            -Wwrite-strings -Wvla $(if $(CI),-Werror)
HARDEN   := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=undefined -fno-omit-frame-pointer,-D_FORTIFY_SOURCE=2) \
            -fstack-protector-strong -fPIE
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DRIAD_VERSION='"$(VERSION)"' -DRIAD_LIBEXEC='"$(PREFIX)/libexec/riad"' \
            -I. -Wa,-I,$(B) $(WARN) $(HARDEN) $(CFLAGS)
LINK     := -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(if $(SAN),-fsanitize=$(SAN))

# Which libraries each program links; --as-needed drops those that it does not call.
# A program is the folder that holds its main.c.
main_of   = $(if $(filter riad,$(1)),supervisor,$(1:riad-%=%))/main
PROGRAMS  := riad riad-chat riad-web riad-mirror riad-dhcp
STORE_PC  := sqlite3 libcrypto
riad_ROOMS        := supervisor drop mirror identity config base
riad-chat_ROOMS   := chat drop identity config base
riad-web_ROOMS    := web mirror drop identity config base
riad-mirror_ROOMS := mirror identity config base
riad-dhcp_ROOMS   := dhcp identity config base
PC        := $(STORE_PC) libutf8proc libqrencode libssh libcurl libarchive
LIBS       = $(shell pkg-config --libs $(PC)) -lcivetweb -lpthread

RUN_PACKAGES  := gcc make pkg-config libc6-dev libssh-dev libcivetweb-dev libsqlite3-dev libcurl4-openssl-dev \
                 libarchive-dev libssl-dev libutf8proc-dev libqrencode-dev dnsmasq-base openssh-client ca-certificates
TEST_PACKAGES := libcmocka-dev openssl openssh-sftp-server python3 python3-pytest python3-pytest-xdist python3-paramiko python3-tuspy curl tmux opam ocaml-nox \
                 chromium chromium-driver python3-selenium putty-tools dropbear-bin sshfs rclone lftp udhcpc isc-dhcp-client dhcpcd-base \
                 iproute2 procps \
                 zbar-tools git rsync unzip sqlite3 ssh-audit avahi-daemon avahi-utils dbus nftables iptables ufw tzdata
LINT_PACKAGES := clang-format clang-tidy cppcheck
FUZZ_PACKAGES := clang libclang-rt-14-dev

SOURCES  := $(foreach room,$(ROOMS),$(wildcard $(room)/*.c))
OBJECTS  := $(SOURCES:%.c=$(B)/%.o)
ARCHIVES := $(ROOMS:%=$(B)/lib%.a)
BINARIES := $(PROGRAMS:%=$(B)/%)
UNIT     := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/test_*.c))
# Fuzz targets; here they run once over their seeds, and under clang for as long as one likes.
SEEDED   := $(patsubst tests/fuzz/%.c,$(B)/tests/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
# What C sources embed by base/embed.h.
EMBEDDED := identity/schema.sql $(wildcard web/page/*)

.PHONY: all run test archives unit unit-programs seeds system check lint layers asan tsan fuzz bench campaign install deb clean deps help
.DELETE_ON_ERROR:
.SECONDARY:

all: $(ARCHIVES) $(BINARIES) ## build everything

run: ## install what is missing, build, and run the box from config/local.conf
	@$(MAKE) -s deps PACKAGES="$(RUN_PACKAGES)"
	@$(MAKE) -s -j$$(nproc) all
	@exec $(B)/riad run -c config/local.conf

test: ## install what is missing, build, and run all tests
	@$(MAKE) -s deps PACKAGES="$(RUN_PACKAGES) $(TEST_PACKAGES)"
	@$(MAKE) -s -j$$(nproc) all unit-programs
	@$(MAKE) -s unit layers system

check: all unit layers ## the quick tests: unit tests and layers

archives: $(ARCHIVES)

unit-programs: $(UNIT) $(SEEDED)
unit: unit-programs seeds ## unit tests
	@for t in $(UNIT); do $$t || exit 1; done

seeds: $(SEEDED) ## every fuzz target once over its seeds
	@for t in $(SEEDED); do $$t tests/fuzz/seeds/$${t##*/fuzz_}/* || exit 1; done

system: all ## system tests with real clients; ARGS go to pytest
	@RIAD_BUILD=$(abspath $(B)) /usr/bin/python3 -m pytest -q -p no:cacheprovider -n 2 --dist loadfile $(if $(findstring tests/,$(ARGS)),,tests/system) $(ARGS)

layers: all ## includes follow the arrows of the house only
	@tests/layers $(B)

lint: ## clang-format, clang-tidy, cppcheck
	@$(MAKE) -s deps PACKAGES="$(RUN_PACKAGES) $(LINT_PACKAGES) libcmocka-dev"
	@tests/lint $(WARN)

asan: ## all tests under the address and undefined-behaviour sanitizers
	@$(MAKE) -s test SAN=address,undefined CFLAGS="-O1 -g"
tsan: ## the tests of what has threads under the thread sanitizer
	@$(MAKE) -s test SAN=thread CFLAGS="-O1 -g" ARGS="-m threads"

fuzz: ## every fuzz target for SECONDS each (default 60)
	@$(MAKE) -s deps PACKAGES="$(RUN_PACKAGES) $(FUZZ_PACKAGES)"
	@tests/fuzz/run $(or $(SECONDS),60)

bench: all ## the figures, beside the peers that are installed
	@RIAD_BUILD=$(abspath $(B)) /usr/bin/python3 tests/bench/bench.py $(ARGS)

campaign: ## the long fault campaigns, more than an hour in all; ARGS chooses
	@$(MAKE) -s deps PACKAGES="$(RUN_PACKAGES) $(TEST_PACKAGES) mmdebstrap dpkg-dev systemd-container"
	@$(MAKE) -s -j$$(nproc) all unit-programs
	@RIAD_BUILD=$(abspath $(B)) RIAD_CAMPAIGN=full /usr/bin/python3 -m pytest -q -p no:cacheprovider -rP -m campaign $(if $(findstring tests/,$(ARGS)),,tests/system) $(ARGS)

install: all ## into DESTDIR and PREFIX
	@config/install "$(B)" "$(DESTDIR)" "$(PREFIX)" "$(VERSION)"

deb: all ## a Debian package in $(B)
	@config/deb "$(B)" "$(VERSION)"

deps: ## install the packages in PACKAGES that are missing
	@missing=""; for p in $(or $(PACKAGES),$(RUN_PACKAGES)); do \
	  dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
	[ -z "$$missing" ] && exit 0; \
	echo "Installing:$$missing"; \
	if [ "$$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi; \
	$$sudo env DEBIAN_FRONTEND=noninteractive sh -c "apt-get update -q >/dev/null && apt-get install -y -q --no-install-recommends $$missing >/dev/null"

clean: ## remove what was built; the box's state in build/ too
	rm -rf build build-*

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 10

$(B)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/identity/store_file.o $(B)/web/asset.o: $(EMBEDDED) $(B)/web/page/style.css.gz $(B)/web/page/riad.js.gz

# Style and script as browsers like to receive them; embedded beside the readable ones.
$(B)/%.gz: %
	@mkdir -p $(@D)
	@gzip -9nc $< >$@

# One archive a room, without its main.
$(ARCHIVES): $(B)/lib%.a: $(OBJECTS)
	@rm -f $@; ar rcsD $@ $(filter-out %/main.o,$(filter $(B)/$*/%.o,$(OBJECTS)))

$(BINARIES): $(B)/%: $(ARCHIVES)
	@echo "  LINK  $@"
	@$(CC) $(CFLAGS) $(LINK) -o $@ $(B)/$(call main_of,$*).o $($*_ROOMS:%=$(B)/lib%.a) $(LIBS)

# A unit test links every room's archive and takes what it names.
$(B)/tests/unit/%: $(B)/tests/unit/%.o $(ARCHIVES)
	@$(CC) $(CFLAGS) $(LINK) -o $@ $< -Wl,--start-group $(ARCHIVES) -Wl,--end-group $(LIBS) -lcmocka -lpthread

$(B)/tests/fuzz/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $(B)/tests/fuzz/once.o $(ARCHIVES)
	@$(CC) $(CFLAGS) $(LINK) -o $@ $(filter %.o,$^) -Wl,--start-group $(ARCHIVES) -Wl,--end-group $(LIBS) -lm

-include $(OBJECTS:.o=.d) $(UNIT:=.d) $(SEEDED:=.d)
