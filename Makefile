# SPDX-License-Identifier: GPL-2.0
#
# make                 the module for the kernel KVER, and the user space
# make install         both (DESTDIR, PREFIX)
# make check           style: checkpatch, sparse, W=1 with -Werror
# make test            everything quick, on both kernels; installs what it needs
# make test-long       the long campaigns, and the newest kernel that Debian has
# make test-debug      the tests on a kernel with KASAN, lockdep and the like
# make ci              make test, and a quick part of make test-debug
# make demo            PostgreSQL on a volume: its machine dies, and nothing is lost
# make bench           speed and costs beside DRBD and md, an hour; BENCH=metadata, failover, volumes, regions
# make dkms-test       add, build, install and remove with DKMS
# make htmldocs        Documentation/ as HTML, in build/html
# make dist            a tarball
# make deb             Debian packages, in build/deb
#
# KVER is the newest kernel whose headers are installed, unless you say.

VERSION	:= 0.1.0
TOP	:= $(dir $(abspath $(lastword $(MAKEFILE_LIST))))
B	?= $(TOP)build
PREFIX	?= /usr/local
KVER	?= $(shell $(TOP)scripts/kernels.sh headers 6)
KDIR	?= /lib/modules/$(KVER)/build
KERNELS	?= 6.1 6.12
PYTHON	?= python3
PB_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/dm-pb
export PB_CACHE

# With CRASH_POINTS=1: a module that a test can tell at which moment the machine
# is to stop; see kmod/pb-crash.h.
MOD	:= $(B)/$(KVER)$(if $(CRASH_POINTS),-crash)
PBCTL	:= $(B)/user/pbctl
SOURCES	:= $(wildcard $(TOP)kmod/*.[ch] $(TOP)kmod/uapi/linux/*.h) $(TOP)Kbuild
USOURCES := $(wildcard $(TOP)userspace/*/*.[ch] $(TOP)kmod/*.[ch]) \
	    $(TOP)userspace/Makefile

# A kernel of a newer Debian has a root with its own compiler; see scripts/deps.sh.
KROOT	:= $(if $(wildcard $(PB_CACHE)/newest/boot/vmlinuz-$(KVER)),$(PB_CACHE)/newest)
IN_KROOT = $(if $(KROOT),$(TOP)scripts/in-root.sh $(KROOT) /dev /proc $(MOD) --)

# The build directory of a kernel has a copy, so that several stand side by side.
# No BTF: it needs the kernel's own vmlinux, which headers do not bring.
KBUILD	= $(IN_KROOT) $(MAKE) -C $(KDIR) M=$(MOD) CONFIG_DEBUG_INFO_BTF_MODULES= \
	  PB_WERROR=$(PB_WERROR) PB_CRASH_POINTS=$(if $(CRASH_POINTS),y)

all: module userspace

module: $(MOD)/dm-pb.ko

# What has changed is as new as its copy: it may have changed while objects were made.
$(MOD)/dm-pb.ko: $(SOURCES)
	@test -d "$(KROOT)$(KDIR)" || \
		{ echo "no kernel headers in $(KDIR): install them, or set KVER"; exit 1; }
	@mkdir -p $(MOD)
	rsync -rlpc --delete --exclude='*.o' --exclude='.*.cmd' --exclude='*.ko' \
		--exclude='*.mod*' --exclude='modules.order' --exclude='Module.symvers' \
		$(TOP)Kbuild $(TOP)kmod $(MOD)/
	+$(KBUILD) modules
	@touch $@

userspace: $(PBCTL)

$(PBCTL): $(USOURCES)
	$(MAKE) -C $(TOP)userspace O=$(B)/user

install: all
	$(KBUILD) INSTALL_MOD_PATH=$(DESTDIR) modules_install
	$(MAKE) -C $(TOP)userspace O=$(B)/user PREFIX=$(PREFIX) DESTDIR=$(DESTDIR) install

deps:
	$(TOP)scripts/deps.sh build

check:
	$(TOP)scripts/check.sh $(KERNELS)

test: test-deps
	$(PYTHON) $(TOP)selftests/run.py --kernels "$(KERNELS)" $(T)

test-long: long-deps
	PB_LONG=1 $(PYTHON) $(TOP)selftests/run.py --kernels "$(KERNELS)" $(T)

test-debug: source-deps
	$(PYTHON) $(TOP)selftests/run.py --debug --kernels debug $(T)

ci: source-deps
	$(PYTHON) $(TOP)selftests/run.py --kernels "$(KERNELS)" --ci $(T)

test-deps:
	$(TOP)scripts/deps.sh test

long-deps:
	$(TOP)scripts/deps.sh long

source-deps:
	$(TOP)scripts/deps.sh source

bench-deps:
	$(TOP)scripts/deps.sh bench

demo-deps:
	$(TOP)scripts/deps.sh demo

demo: demo-deps
	@KVER=`$(TOP)scripts/kernels.sh image $(lastword $(KERNELS))` && \
	$(MAKE) --no-print-directory all KVER=$$KVER && \
	PB_KO=$(B)/$$KVER/dm-pb.ko PBCTL=$(PBCTL) KVER=$$KVER \
		$(PYTHON) $(TOP)selftests/demo/demo.py

bench: bench-deps
	@KVER=`$(TOP)scripts/kernels.sh image $(lastword $(KERNELS))` && \
	$(MAKE) --no-print-directory all KVER=$$KVER >/dev/null && \
	PB_KO=$(B)/$$KVER/dm-pb.ko PBCTL=$(PBCTL) KVER=$$KVER \
		$(PYTHON) $(TOP)selftests/bench/bench.py --output $(B)/bench $(BENCH)

htmldocs:
	@command -v sphinx-build >/dev/null && command -v dot >/dev/null || \
		{ echo "no sphinx-build or no dot: run scripts/deps.sh docs"; exit 1; }
	sphinx-build -q -W -n --keep-going -b html -d $(B)/doctrees $(TOP)Documentation $(B)/html
	@echo $(B)/html/index.html

dkms-test: test-deps
	$(TOP)selftests/dkms/test_dkms.sh

dist:
	@mkdir -p $(B)
	git -C $(TOP) archive --format=tar.gz --prefix=dm-pb-$(VERSION)/ \
		-o $(B)/dm-pb-$(VERSION).tar.gz HEAD
	@echo $(B)/dm-pb-$(VERSION).tar.gz

deb:
	$(TOP)scripts/deps.sh deb
	rm -rf $(B)/deb
	@mkdir -p $(B)/deb/dm-pb-$(VERSION)
	git -C $(TOP) archive HEAD | tar -x -C $(B)/deb/dm-pb-$(VERSION)
	cd $(B)/deb/dm-pb-$(VERSION) && dpkg-buildpackage -b -us -uc
	rm -rf $(B)/deb/dm-pb-$(VERSION)
	@ls $(B)/deb/*.deb

clean:
	rm -rf $(B) $(TOP)selftests/*/build

.PHONY: all module userspace install deps check test test-long test-debug ci \
	test-deps long-deps source-deps bench-deps demo-deps bench demo htmldocs \
	dkms-test dist deb clean
