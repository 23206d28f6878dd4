# make test is what counts before a commit; the rest is named by its comment.
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
FUZZTIME ?= 20s
BENCH    ?= $(if $(wildcard bench),./bench/...,./...)

.PHONY: help build test quick docs bench fuzz cover vuln clean

help: ## say what can be made
	@sed -n 's/^\([a-z]*\): .*## \(.*\)/  make \1	\2/p' Makefile | expand -t 18

build: ## bin/repwatch, static, with its version
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/repwatch ./cmd/repwatch

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
