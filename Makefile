# make test is what counts before a commit; the rest is named by its comment.
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
FUZZTIME ?= 20s
PREFIX   ?= /usr/local
ZSHDIR   ?= $(PREFIX)/share/zsh/site-functions
# newer ones need modules from a host that module proxies may not carry
NFPM      = github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.0
BENCH    ?= $(if $(wildcard bench),./bench/...,./...)

.PHONY: help build install deb test quick docs bench fuzz cover vuln clean

help: ## say what can be made
	@sed -n 's/^\([a-z]*\): .*## \(.*\)/  make \1	\2/p' Makefile | expand -t 18

build: ## bin/repwatch, static, with its version
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/repwatch ./cmd/repwatch

install: ## into PREFIX (/usr/local) below DESTDIR: program, man pages, completion, unit, examples
	@test -x bin/repwatch || $(MAKE) build
	install -D -m 0755 bin/repwatch $(DESTDIR)$(PREFIX)/bin/repwatch
	install -d $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 0644 docs/man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -D -m 0644 docs/completion/repwatch.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/repwatch
	install -D -m 0644 docs/completion/repwatch.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/repwatch.fish
	install -D -m 0644 docs/completion/_repwatch $(DESTDIR)$(ZSHDIR)/_repwatch
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)$(PREFIX)/share/doc/repwatch/examples
	sed 's,/usr/bin/repwatch,$(PREFIX)/bin/repwatch,' systemd/repwatch.service >$(DESTDIR)$(PREFIX)/lib/systemd/system/repwatch.service
	chmod 0644 $(DESTDIR)$(PREFIX)/lib/systemd/system/repwatch.service
	install -m 0644 README.md CHANGELOG.md docs/*.md $(DESTDIR)$(PREFIX)/share/doc/repwatch
	install -m 0644 docs/repwatch.example.yaml systemd/repwatch.service.d/credentials.conf.example $(DESTDIR)$(PREFIX)/share/doc/repwatch/examples
	install -D -m 0644 systemd/repwatch.yaml.example $(DESTDIR)/etc/repwatch/repwatch.yaml.example

deb: build ## dist/repwatch_VERSION_ARCH.deb (scripts/deb-test tries it out)
	rm -rf dist/root dist/*.deb
	$(MAKE) install DESTDIR=dist/root PREFIX=/usr ZSHDIR=/usr/share/zsh/vendor-completions
	gzip -9n dist/root/usr/share/man/man1/*.1
	VERSION=$$(packaging/version "$(VERSION)") ARCH=$$(go env GOARCH) SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) \
		go run $(NFPM) package -f packaging/nfpm.yaml -p deb -t dist/

test: ## everything: real servers, gofmt, vet, staticcheck, all tests with -race
	@scripts/test

quick: ## unit tests only, without the race detector and real servers
	go test -short ./...

docs: ## what is generated: configuration reference, man pages, shell completion
	rm -rf docs/man docs/completion
	go run ./cmd/repwatch generate --man docs/man --completion docs/completion --reference docs/configuration.md

bench: ## the numbers, as ratios within one run
	go test -run '^$$' -bench . -benchmem -timeout 30m $(BENCH)

fuzz: ## each fuzz target for FUZZTIME (20s)
	@FUZZTIME=$(FUZZTIME) scripts/fuzz

cover: ## coverage.html
	go test -coverprofile=coverage.out -coverpkg=./... ./...
	go tool cover -html=coverage.out -o coverage.html
	@go tool cover -func=coverage.out | tail -n 1

vuln: ## known vulnerabilities in what we call
	@scripts/vuln

clean: ## remove what was made here
	rm -rf bin dist artefacts coverage.out coverage.html
