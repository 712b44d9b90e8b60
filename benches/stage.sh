#!/bin/sh
# What a stage full of people costs: CPU, memory and bytes to the terminal of one terminal
# interface (its process holds no bridge) that shows VIDEOS test pictures at 15 a second and
# hears VOICES people, over some seconds.
#   benches/stage.sh [PROGRAM] [SECONDS] [VIDEOS] [VOICES]
# Needs tmux and Linux's /proc. Prints figures and judges nothing.
set -eu
program=$(realpath "${1:-target/release/conclave}")
seconds=${2:-30}
videos=${3:-4}
voices=${4:-10}
size=${SIZE:-120x40}
. "$(dirname "$0")/measured.sh"
# Person number $1 begins with the other arguments.
begin() {
    number=$1
    shift
    camera=off
    [ "$number" -gt "$videos" ] || camera=pattern
    "$program" "$@" --data "$work/p$number" --name "p$number" --headless --json \
        --mic "voice:$number" --camera "$camera" --speaker null >"$work/p$number.log" 2>&1 &
    others="$others $!"
}
begin 1 host --listen 127.0.0.1:0 --admit all
until [ -s "$work/p1/invite.txt" ]; do sleep 0.1; done
invite=$(cat "$work/p1/invite.txt")
number=2
while [ "$number" -le "$voices" ]; do
    begin "$number" join "$invite"
    until grep -q '"joined"' "$work/p$number.log"; do sleep 0.1; done
    number=$((number + 1))
done
tmux -L "$socket" -f /dev/null new-session -d -x "${size%x*}" -y "${size#*x}" \
    "COLORTERM=truecolor exec '$program' join '$invite' --data '$work/ana' --name ana --mic silence --speaker null"
until tmux -L "$socket" capture-pane -p | grep -q 'in call'; do sleep 0.2; done
tmux -L "$socket" send-keys z
sleep 10
measure "$seconds"
tmux -L "$socket" capture-pane -p -e >"$work/screen"
memory=$(awk '/^VmRSS/ { print $2 }' "/proc/$measured/status")
peak=$(awk '/^VmHWM/ { print $2 }' "/proc/$measured/status")
# Synchronized updates end with this; one to a frame.
frames=$(grep -ao '2026l' "$work/bytes" | wc -l)
sent=$(for number in $(seq "$videos"); do
    grep -o '"video_sent":\[[^]]*' "$work/p$number.log" | tail -n 1 | grep -o '"fps":[0-9.]*' | cut -d: -f2
done | tr '\n' ' ')
awk -v t="$used" -v hz="$(getconf CLK_TCK)" -v s="$seconds" -v b="$bytes" -v m="$memory" \
    -v p="$peak" -v v="$videos" -v n="$voices" -v f="$frames" -v z="$size" -v q="$sent" 'BEGIN {
    printf "%d videos, %d voices, %s, over %d s: %.1f %% of a core, %.1f MB (peak %.1f MB), %.1f KiB/s and %.1f frames/s to the terminal; sent pictures/s: %s\n",
        v, n, z, s, 100 * t / hz / s, m / 1024, p / 1024, b / 1024 / s, f / s, q }'
