# vtremote. `make demo` shows the main job, `make test` runs every test; `make help` lists the rest.
# Set-up is part of every target: missing system packages are installed with apt or Homebrew, said
# aloud. SETUP=0 leaves the system alone.

SETUP ?= 1
CARGO ?= cargo
export CARGO

.PHONY: help demo test lint fast build ffmpeg setup fuzz sanitize bench apple clean

help:
	@echo 'make demo   encode the bundled clip through a daemon on this machine, and verify the result'
	@echo 'make test   lint, and every test'
	@echo 'make build  the daemon, the library, the vtremote command and an ffmpeg with the remote codecs'
	@echo 'make fast   lint, and the tests that need no ffmpeg'
	@echo 'make fuzz   every fuzz target for a minute (FUZZ_SECONDS=60)'
	@echo 'make bench  sessions, codec, links and ffmpeg: target/bench/report.md, report.json, plots (half an hour or more)'
	@echo 'make sanitize  the tests with AddressSanitizer and ThreadSanitizer (half an hour or more)'
	@echo 'make apple  vtremoted for both kinds of Mac, from Linux; on a Mac: built, and its self-test'
	@echo 'SETUP=0     install no system packages'

demo: build
	@scripts/demo

test: setup
	@scripts/test all

fast lint: setup
	@scripts/test $@

build: setup
	@scripts/build

fuzz: setup
	@scripts/fuzz

bench: setup
	@scripts/bench

sanitize: setup
	@scripts/sanitize

apple: setup
	@scripts/apple

setup:
	@scripts/setup $(SETUP)

clean:
	rm -rf target fuzz/target
