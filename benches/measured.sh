# What the scripts beside this one share; to be sourced. Gives them a folder `$work` and a tmux
# of their own, both gone in the end. `$others` are processes to end, `$measured` is the one in
# tmux. With KEEP=DIR, what was written to the terminal is kept there.
work=$(mktemp -d)
socket=conclave-bench-$$
others=
measured=

clean() {
    [ -z "${KEEP:-}" ] || cp "$work/bytes" "$work/screen" "$KEEP" 2>/dev/null || true
    tmux -L "$socket" kill-server 2>/dev/null || true
    for process in $others; do kill "$process" 2>/dev/null || true; done
    # Whoever still leaves still writes.
    for process in $others $measured; do
        while kill -0 "$process" 2>/dev/null; do sleep 0.1; done
    done
    rm -rf "$work"
}
trap clean EXIT

# Processor time of process $1 so far, of user and system, in clock ticks.
ticks() { sed 's/.*) //' "/proc/$1/stat" | cut -d' ' -f12,13 | tr ' ' '+' | xargs -I{} sh -c 'echo $(({}))'; }

# Measures for $1 seconds: sets `measured`, `used` (ticks) and `bytes` (to its terminal).
measure() {
    measured=$(tmux -L "$socket" display-message -p '#{pane_pid}')
    tmux -L "$socket" pipe-pane -o "cat >'$work/bytes'"
    before=$(ticks "$measured")
    sleep "$1"
    used=$(($(ticks "$measured") - before))
    tmux -L "$socket" pipe-pane
    bytes=$(wc -c <"$work/bytes" 2>/dev/null || echo 0)
}
