#!/bin/sh
# What a quiet call costs: CPU of the host's process (terminal interface, embedded bridge, SFU and
# audio pipeline together) and bytes written to its terminal, over a minute.
#   benches/idle.sh [PROGRAM] [SECONDS]
# Needs tmux and Linux's /proc. Prints figures and judges nothing.
set -eu
program=${1:-target/release/conclave}
seconds=${2:-60}
. "$(dirname "$0")/measured.sh"
program=$(realpath "$program")
tmux -L "$socket" -f /dev/null new-session -d -x 120 -y 40 \
    "exec '$program' host --listen 127.0.0.1:0 --data '$work/ana' --name ana --admit all --mic silence --speaker null"
until [ -s "$work/ana/invite.txt" ]; do sleep 0.1; done
tmux -L "$socket" send-keys Escape
: >"$work/ben.log"
"$program" join "$(cat "$work/ana/invite.txt")" --data "$work/ben" --name ben --headless --json \
    --mic silence --speaker null >"$work/ben.log" 2>&1 &
others=$!
until grep -q '"joined"' "$work/ben.log"; do sleep 0.1; done
sleep 36 # the sparkline of the room shows the last half minute, in which somebody came
measure "$seconds"
awk -v t="$used" -v hz="$(getconf CLK_TCK)" -v s="$seconds" -v b="$bytes" 'BEGIN {
    printf "over %d s: %.2f %% of a core, %d bytes to the terminal\n", s, 100 * t / hz / s, b }'
