# Two commands are all a newcomer needs: `make run` and `make test`. Both install what is missing.
.PHONY: stage help run test setup setup-test lint bench bench-render slow-terminal load malformed voice tui pulse recording video idle drill peers memcheck

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: setup ## Build and open a demo meeting
	cargo run --release --quiet -- demo

test: setup-test ## Run all tests, with real sound devices where they are virtual
	tests/pulse/server.sh run cargo test
	cargo test --no-default-features --lib --test it

setup: ## Install what compiling needs
	@.ci/setup build

setup-test: ## Install what testing needs besides
	@.ci/setup test

lint: setup ## Formatting, lints, documentation
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cargo clippy --all-targets --no-default-features -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --no-deps --quiet

bench: setup ## Run the benchmarks
	cargo bench

bench-render: setup ## The renderer against timg, chafa and mpv: CPU and bytes per frame
	@.ci/setup render
	cargo bench --bench render

slow-terminal: setup ## Keys while a video plays on a terminal that takes 50 KiB/s, and by a slow SSH line: how long until they are seen
	cargo bench --bench slow_terminal

load: setup ## What the bridge carries: logins, calls, events, a room of 100
	cargo bench --bench load

malformed: setup-test ## COUNT bad messages on every parser and port while a call goes on
	MALFORMED_COUNT=$(or $(COUNT),100000) cargo test --release --test it bridge::malformed -- --nocapture

voice: setup-test ## Speech through two and three processes, both ways: correlation and delays
	cargo test --test realtime voice -- --nocapture

tui: setup-test ## Drive the terminal interface in tmux
	cargo test --test it cli::screen -- --nocapture

pulse: setup-test ## A tone from one virtual sound card to another, through a call
	tests/pulse/server.sh run cargo test --test it media::real -- --nocapture
	cargo test --test realtime pulse -- --nocapture

recording: setup-test ## Three processes, a minute recorded, the bridge killed: how far tracks are apart
	CONCLAVE_RECORDED_SECONDS=60 cargo test --test it cli::recording -- --nocapture

peers: setup ## Calls through a real Janus and a real coturn (as root also through a firewall), and with a real Chromium
	@.ci/setup peers
	cargo test --test peers -- --nocapture

video: setup-test ## Pictures: how soon, how many, how good, and how soon again after an outage
	CONCLAVE_VIDEO_SECONDS=30 cargo test --test it video:: -- --nocapture --test-threads 1

idle: setup-test ## What a quiet call costs: CPU and bytes to the terminal over a minute
	cargo build --release --quiet
	benches/idle.sh target/release/conclave 60

stage: setup-test ## What four videos and ten voices cost on one screen: CPU, memory, bytes
	cargo build --release --quiet
	benches/stage.sh target/release/conclave 30 4 10

drill: setup-test ## Break calls in every way, REPEAT times each: seconds until sound is back
	REPEAT=$${REPEAT:-50} CYCLES=$${CYCLES:-1000} cargo test --test drill -- --nocapture --test-threads 1

# The tests that are left out, and why, are named in tests/it/media/vp8.rs.
memcheck: setup ## The binding of libvpx under valgrind, which fails on any bad access or leak
	@.ci/setup memcheck
	valgrind --version
	cargo --config "target.'cfg(all())'.runner = '$(MEMCHECK)'" test --test it media::vp8 -- \
		--test-threads 1 --nocapture --skip tiny_pictures
MEMCHECK := valgrind -q --error-exitcode=9 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite
