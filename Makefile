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
CLIENT    := $(BUILD)/ai-endurance-client

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
# TEAM=x is an argument of "make key", and nobody's environment
ifeq ($(filter key,$(MAKECMDGOALS)),key)
$(foreach v,ID APP TEAM ENV CLASSES DEFAULT_CLASS MODELS REQUESTS TOKENS \
            CONCURRENT BUDGET EXPIRES,\
    $(if $(filter environment,$(origin $v)),$(eval $v :=)))
endif
.PHONY: module provider unit key pure test demo bench asan fuzz clean help \
        sdk-test browser-test lockcheck bench-choose bench-growth \
        bench-instructions bench-memory bench-peers bench-scrape bench-spool \
        ledger-check endurance drill compat \
        deb image soak valgrind analyze coverage secrets-scan \
        deps-build deps-test deps-demo deps-bench deps-callgrind deps-asan \
        deps-fuzz deps-analyze deps-memcheck deps-secrets deps-sdk \
        deps-browser deps-compat deps-drill deps-deb deps-pack deps-peers


## make                the module: build/ngx_http_ai_route_module.so
module: deps-build
	@t/tools/build
	@echo "$(MODULE)"

## make demo           the product at work on loopback; Ctrl-C ends it
## make demo ONCE=1    the same, exits by itself; DEMO_SINK=file: no Redis
demo: deps-demo module $(PROVIDER)
	@ONCE="$(ONCE)" DEMO_SINK="$(DEMO_SINK)" t/tools/demo

## make key ID=x       a key for a client; TEAM= APP= ENV= MODELS= ... as needed
key:
	@t/tools/key "$(ID)" "app=$(APP)" "team=$(TEAM)" "env=$(ENV)" \
	    "classes=$(CLASSES)" "default_class=$(DEFAULT_CLASS)" \
	    "models=$(MODELS)" "requests=$(REQUESTS)" "tokens=$(TOKENS)" \
	    "concurrent=$(CONCURRENT)" "budget=$(BUDGET)" "expires=$(EXPIRES)"

## make test           builds and runs every test; TESTS="t/x.t" for some
test: deps-test module $(PROVIDER) $(CLIENT)
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

## make bench-choose   CPU that a request costs the shared zone, by balancer
bench-choose: deps-asan
	@t/tools/bench-choose

## make bench-growth   how CPU grows with accounts, keys, models and bytes, and
##                     what a failover costs (ROUNDS=7)
bench-growth: deps-bench module $(PROVIDER)
	@t/tools/bench-growth

## make bench-instructions   instructions of a request, by part; QUICK=1
bench-instructions: deps-callgrind module $(PROVIDER)
	@QUICK="$(QUICK)" t/tools/bench-instructions

## make bench-memory   bytes of records, entries, keys, pins; QUICK=1: a tenth
bench-memory: deps-demo module $(PROVIDER)
	@QUICK="$(QUICK)" t/tools/bench-memory

## make bench-peers    the same requests through other gateways; needs node, npm
bench-peers: deps-peers module $(PROVIDER)
	@t/tools/bench-peers --install
	@t/tools/bench-peers

## make bench-scrape   requests' p99 while /metrics, /status ... are asked for
bench-scrape: deps-bench module $(PROVIDER)
	@QUICK="$(QUICK)" t/tools/bench-scrape

## make bench-spool    records at full speed: Redis healthy, away, and back
bench-spool: deps-bench module
	@t/tools/bench-spool

## make sdk-test       OpenAI's, Anthropic's and other clients; needs node, npm
sdk-test: deps-sdk module $(PROVIDER)
	@t/tools/sdk-test

## make browser-test   the dashboard in headless Chromium; needs node and npm
browser-test: deps-browser module $(PROVIDER)
	@t/tools/browser-test

## make ledger-check FROM=redis://127.0.0.1:6379   do the usage records agree?
##                     ARGS="--prices FILE ..."; t/tools/ledger-check --help
ledger-check: deps-drill
	@t/tools/ledger-check $(if $(FROM),"$(FROM)",--help) $(ARGS)

## make endurance REQUESTS=300000   load while all breaks; then the ledger
##                     SPOOL=1 RATE= EVERY= ...; t/tools/endurance --help
endurance: deps-test module $(PROVIDER) $(CLIENT)
	@$(foreach v,REQUESTS CONCURRENT RATE EVERY LIMIT SPOOL SEED KEEP,\
	    $(if $($v),$v="$($v)")) t/tools/endurance

## make soak MINUTES=10 the same for so long with workers that live, and
##                     whether they grow; RELOAD= ...; t/tools/endurance --help
soak: deps-test module $(PROVIDER) $(CLIENT)
	@MINUTES="$(or $(MINUTES),10)" \
	$(foreach v,CONCURRENT RATE EVERY RELOAD SEED KEEP,\
	    $(if $($v),$v="$($v)")) t/tools/endurance

## make drill          breaks an account of a running "make demo", and reports
## make drill URL=http://127.0.0.1/ai/ ACCOUNT=x   ... of any gateway, whose
##                     operator's bearer is in DRILL_BEARER; FAULT= STATUS= TTL=
##                     PERCENT= MODEL= KEY_ID= CLASS= BASE= ASK_MODEL= RATE=
##                     REPORT= ARGS="..."; t/tools/drill --help
drill: deps-drill
	@t/tools/drill $(if $(URL),--url "$(URL)",--demo) \
	    $(if $(ACCOUNT),--account "$(ACCOUNT)") \
	    $(if $(FAULT),--fault "$(FAULT)") \
	    $(if $(STATUS),--status "$(STATUS)") \
	    $(if $(PERCENT),--percent "$(PERCENT)") $(if $(TTL),--ttl "$(TTL)") \
	    $(if $(MODEL),--model "$(MODEL)") \
	    $(if $(KEY_ID),--key-id "$(KEY_ID)") \
	    $(if $(CLASS),--class "$(CLASS)") $(if $(BASE),--base "$(BASE)") \
	    $(if $(ASK_MODEL),--ask-model "$(ASK_MODEL)") \
	    $(if $(RATE),--rate "$(RATE)") \
	    $(if $(REPORT),--report "$(REPORT)") $(ARGS)

## make lockcheck      nothing that may wait or write while the zone is locked
lockcheck: deps-test $(PROVIDER) $(CLIENT)
	@TESTS="$(if $(filter command line environment,$(origin TESTS)),$(TESTS))" \
	    t/tools/lockcheck

## make asan           the tests in t/*.t under ASan and UBSan, nginx included
asan: deps-asan $(PROVIDER) $(CLIENT)
	@TESTS="$(TESTS)" t/tools/asan

## make valgrind       some of t/*.t under memcheck; TESTS= for others
valgrind: deps-memcheck module $(PROVIDER) $(CLIENT)
	@TESTS="$(if $(filter command line environment,$(origin TESTS)),$(TESTS))" \
	    t/tools/valgrind

## make analyze        clang's static analyzer, and gcc's for src/pure
analyze: deps-analyze module
	@t/tools/analyze

## make secrets-scan   secrets through every path, then all that is left
secrets-scan: deps-secrets module $(PROVIDER)
	@t/tools/secrets-scan

## make coverage       lines and branches of src/ that the tests run; TESTS=
coverage: deps-asan $(PROVIDER) $(CLIENT)
	@TESTS="$(TESTS)" t/tools/coverage

## make compat         nginx of Debian 12, 13 and sid, in chroots (as root, long);
##                     SUITE=trixie BUILD_ONLY=1 ...; t/tools/compat --help
compat: deps-compat
	@$(foreach v,BUILD_ONLY REFRESH RUN PROVE_FLAGS,\
	    $(if $($v),$v="$($v)")) \
	    TESTS="$(if $(filter command line environment,$(origin TESTS)),$(TESTS))" \
	    t/tools/compat $(SUITE)

## make deb            a Debian package in build/deb; CHECK=1: lintian, a chroot
deb: $(if $(CHECK),deps-pack $(PROVIDER),deps-deb)
	@t/tools/deb $(if $(CHECK),--check)

## make image          docker/Dockerfile; CHECK=1: runs it, without an engine
image: $(if $(CHECK),deps-pack $(PROVIDER))
	@t/tools/image $(if $(CHECK),--check)

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

$(CLIENT): t/endurance/client.c | deps-build
	@mkdir -p $(@D)
	@echo "client $@"
	@$(CC) -std=gnu11 -O2 -g -Wall -Wextra -Werror -o $@ $<

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
	@gcc $(UNIT_SAN) -o $@ $^ -lyajl -lm

$(BUILD)/fuzz/%: t/fuzz/%.c $(pure_src) $(pure_hdr) \
                 $(filter-out $(fuzz_main),$(fuzz_all)) | deps-fuzz
	@mkdir -p $(@D)
	@echo "fuzz $@"
	@$(CLANG) $(PURE_FLAGS) -g -O1 -fno-omit-frame-pointer \
	    -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
	    -It/fuzz -o $@ $(filter %.c,$^) -lyajl

# keep the objects: they are what makes the next run quick
.SECONDARY:

deps-build deps-test deps-demo deps-bench deps-callgrind deps-asan deps-fuzz \
deps-analyze deps-memcheck deps-secrets deps-sdk deps-browser deps-compat \
deps-drill deps-deb deps-pack deps-peers: deps-%:
	@t/tools/deps $*
