# Two commands are all a newcomer needs: `make run` and `make test`. Both install what is missing.
.PHONY: run test setup setup-test lint doc bench pulse tui voice help

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: setup ## Build and open a demo meeting
	cargo run --release --quiet -- demo

test: setup-test ## Run all tests
	cargo test
	cargo test --no-default-features
	$(MAKE) voice tui pulse

setup: ## Install what compiling needs
	@.ci/setup build

setup-test: ## Install what testing needs besides
	@.ci/setup test

lint: setup ## Formatting, lints, documentation
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cargo clippy --all-targets --no-default-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --quiet

bench: setup ## Run the benchmarks
	cargo bench

voice: setup-test ## A spoken sentence through two and three processes, both ways: correlation and delays
	cargo build --quiet
	tests/voice/run.sh

tui: setup-test ## Drive the terminal interface in tmux
	cargo build --quiet
	tests/tui/run.sh

pulse: setup-test ## A tone from one virtual sound card to another, through a call
	cargo build --quiet
	tests/pulse/run.sh
