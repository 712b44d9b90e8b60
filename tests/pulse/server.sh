#!/bin/sh
# A private PulseAudio server with virtual devices, for trying the real sound path on a machine
# without a sound card.
#
#   tests/pulse/server.sh run COMMAND...   runs COMMAND with the server, ends the server after it
#   eval "$(tests/pulse/server.sh start)"  starts it for this shell; PULSE_TEST_DIR says where
#   tests/pulse/server.sh stop             ends the one that PULSE_TEST_DIR names
#
# Devices: speakers `spk` and `mic_feed` (a null sink each), microphones `mic` (hears what is
# played into `mic_feed`) and `spk_mic` (hears what is played into `spk`). Defaults: `spk`, `mic`.
set -eu

start() {
    dir=$(mktemp -d "${TMPDIR:-/tmp}/conclave-pulse.XXXXXX")
    chmod 700 "$dir"
    export XDG_RUNTIME_DIR="$dir" PULSE_RUNTIME_PATH="$dir/pulse" HOME="$dir"
    mkdir -p "$dir/pulse"
    pulseaudio -n --daemonize=no --exit-idle-time=-1 --disallow-exit --use-pid-file=no \
        --log-target=file:"$dir/log" --realtime=no --high-priority=no --no-cpu-limit=yes \
        -L "module-native-protocol-unix auth-anonymous=1 socket=$dir/pulse/native" \
        -L "module-null-sink sink_name=spk sink_properties=device.description=TestSpeaker" \
        -L "module-null-sink sink_name=mic_feed sink_properties=device.description=MicFeed" \
        -L "module-remap-source source_name=mic master=mic_feed.monitor source_properties=device.description=TestMicrophone" \
        -L "module-remap-source source_name=spk_mic master=spk.monitor source_properties=device.description=SpeakerEar" \
        >/dev/null 2>&1 &
    echo $! >"$dir/pid"
    export PULSE_SERVER="unix:$dir/pulse/native" PULSE_TEST_DIR="$dir"
    tries=0
    until pactl set-default-sink spk 2>/dev/null && pactl set-default-source mic 2>/dev/null; do
        tries=$((tries + 1))
        if [ "$tries" -gt 100 ]; then
            echo "PulseAudio did not start; see $dir/log" >&2
            exit 1
        fi
        sleep 0.05
    done
}

stop() {
    if ! kill "$(cat "$PULSE_TEST_DIR/pid")" 2>/dev/null; then
        echo "PulseAudio ended before it was told to. Its last words:" >&2
        tail -n 20 "$PULSE_TEST_DIR/log" >&2
    fi
    rm -rf "$PULSE_TEST_DIR"
}

case "${1:-}" in
start)
    start
    echo "export PULSE_SERVER='$PULSE_SERVER' XDG_RUNTIME_DIR='$XDG_RUNTIME_DIR' PULSE_TEST_DIR='$PULSE_TEST_DIR'"
    ;;
stop)
    stop
    ;;
run)
    shift
    saved_home=$HOME
    start
    HOME=$saved_home
    trap stop EXIT
    "$@"
    ;;
*)
    sed -n '2,11p' "$0" >&2
    exit 2
    ;;
esac
