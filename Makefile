# Copyright (C) nginx-ai-route contributors
#
# Everything is built below build/; nothing is installed but missing packages
# (t/tools/deps says which).  "make help" lists the targets.

BUILD     := build
CC        ?= cc
CLANG     ?= clang
SECONDS   ?= 30
PROVE     ?= prove
TESTS     ?= t/*.t

MODULE    := $(BUILD)/ngx_http_ai_route_module.so
PROVIDER  := $(BUILD)/ai-provider

CWARN     := -Wall -Wextra -Werror
PURE_FLAGS = -std=c11 -DNGX_HTTP_AI_PURE=1 $(CWARN) -Isrc -Isrc/pure

# A unit test's finding is worth little without these.
UNIT_SAN  ?= -fsanitize=address,undefined -fno-sanitize-recover=all
UNIT_FLAGS = $(PURE_FLAGS) -g -O1 -fno-omit-frame-pointer $(UNIT_SAN)

pure_src  := $(sort $(wildcard src/pure/*.c src/pure/providers/*.c))
pure_hdr  := $(wildcard src/pure/*.h src/pure/providers/*.h)
prov_src  := $(sort $(wildcard t/provider/*.c))
prov_hdr  := $(wildcard t/provider/*.h)

# A file of t/unit or t/fuzz with an entry point of its own is one program;
# the other files there are shared by all programs of the folder.
unit_all  := $(sort $(wildcard t/unit/*.c))
unit_main := $(if $(unit_all),$(shell grep -lE '^main\b|^int main\b' $(unit_all)))
unit_util := $(filter-out $(unit_main),$(unit_all))
unit_bin  := $(unit_main:t/unit/%.c=$(BUILD)/unit/%)
fuzz_all  := $(sort $(wildcard t/fuzz/*.c))
fuzz_main := $(if $(fuzz_all),$(shell grep -lE 'LLVMFuzzerTestOneInput' $(fuzz_all)))
fuzz_bin  := $(fuzz_main:t/fuzz/%.c=$(BUILD)/fuzz/%)

.DEFAULT_GOAL := module
.DELETE_ON_ERROR:
.PHONY: module provider unit pure test demo bench asan fuzz clean help \
        sdk-test lockcheck deps-build deps-test deps-demo deps-bench \
        deps-asan deps-fuzz


## make                the module: build/ngx_http_ai_route_module.so
module: deps-build
	@t/tools/build
	@echo "$(MODULE)"

## make demo           the product at work on loopback; Ctrl-C ends it
## make demo ONCE=1    the same, exits by itself; DEMO_SINK=file: no Redis
demo: deps-demo module $(PROVIDER)
	@ONCE="$(ONCE)" DEMO_SINK="$(DEMO_SINK)" t/tools/demo

## make test           builds and runs every test; TESTS="t/x.t" for some
test: deps-test module $(PROVIDER)
	@$(MAKE) --no-print-directory -j$$(nproc) pure unit
	@AI_ROUTE_BUILD="$(CURDIR)/$(BUILD)" \
	    $(PROVE) $(PROVE_FLAGS) $(if $(filter command line environment,\
	    $(origin TESTS)),,$(unit_bin)) $(TESTS)

## make pure           src/pure without any nginx header: gcc, and clang if here
pure: $(pure_src:%.c=$(BUILD)/pure/%.o) \
      $(if $(shell command -v $(CLANG)),$(pure_src:%.c=$(BUILD)/pure-clang/%.o))

## make unit           the unit tests' programs in build/unit (with sanitizers)
unit: $(unit_bin)

## make bench          CPU and speed beside plain proxy_pass; QUICK=1: 20 s
bench: deps-bench module $(PROVIDER)
	@QUICK="$(QUICK)" t/tools/bench

## make sdk-test       OpenAI's own client from npm; needs node and npm
sdk-test: deps-demo module $(PROVIDER)
	@t/tools/sdk-test

## make lockcheck      nothing that may wait or write while the zone is locked
lockcheck: deps-test $(PROVIDER)
	@TESTS="$(if $(filter command line environment,$(origin TESTS)),$(TESTS))" \
	    t/tools/lockcheck

## make asan           the tests in t/*.t under ASan and UBSan, nginx included
asan: deps-asan $(PROVIDER)
	@TESTS="$(TESTS)" t/tools/asan

## make fuzz           every fuzzer for SECONDS=30 each
fuzz: deps-fuzz $(fuzz_bin)
	@SECONDS_EACH="$(SECONDS)" t/tools/fuzz $(fuzz_bin)

## make clean          removes build/
clean:
	rm -rf $(BUILD)

## make help           this list
help:
	@sed -n 's/^## //p' $(firstword $(MAKEFILE_LIST))


provider: $(PROVIDER)

# Renamed into place, so that a running one is not disturbed.
$(PROVIDER): $(prov_src) $(prov_hdr) | deps-build
	@mkdir -p $(@D)
	@test -n "$(prov_src)" || \
	    { echo "t/provider has no sources: nothing to build" >&2; exit 1; }
	@echo "provider $@"
	@$(CC) -std=gnu11 -O2 -g -Wall -Wextra -Werror -It/provider \
	    -o $@.$$$$ $(prov_src) -lssl -lcrypto && mv $@.$$$$ $@

$(BUILD)/pure/%.o: %.c $(pure_hdr) | deps-build
	@mkdir -p $(@D)
	@echo "pure $<"
	@gcc $(PURE_FLAGS) -O2 -c -o $@ $<

$(BUILD)/pure-clang/%.o: %.c $(pure_hdr) | deps-build
	@mkdir -p $(@D)
	@echo "pure $< (clang)"
	@$(CLANG) $(PURE_FLAGS) -O2 -c -o $@ $<

$(BUILD)/unit/obj/%.o: %.c $(pure_hdr) $(wildcard t/unit/*.h) | deps-build
	@mkdir -p $(@D)
	@echo "unit $<"
	@gcc $(UNIT_FLAGS) -It/unit -c -o $@ $<

$(BUILD)/unit/%: $(BUILD)/unit/obj/t/unit/%.o \
                 $(unit_util:%.c=$(BUILD)/unit/obj/%.o) \
                 $(pure_src:%.c=$(BUILD)/unit/obj/%.o)
	@gcc $(UNIT_SAN) -o $@ $^ -lyajl

$(BUILD)/fuzz/%: t/fuzz/%.c $(pure_src) $(pure_hdr) \
                 $(filter-out $(fuzz_main),$(fuzz_all)) | deps-fuzz
	@mkdir -p $(@D)
	@echo "fuzz $@"
	@$(CLANG) $(PURE_FLAGS) -g -O1 -fno-omit-frame-pointer \
	    -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
	    -It/fuzz -o $@ $(filter %.c,$^) -lyajl

# keep the objects: they are what makes the next run quick
.SECONDARY:

deps-build deps-test deps-demo deps-bench deps-asan deps-fuzz: deps-%:
	@t/tools/deps $*
