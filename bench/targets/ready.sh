#!/bin/bash
# SPDX-License-Identifier: MIT
# What the kit's clients allow at most: answers that were made before (bench/limits_serve.c; `./dev bench limits` builds it). Keeps nothing, finds nothing.
. "$BENCH_KIT/targets/common.sh"
PORT=11215 HTTP=11265
BIN=$(cd "$HERE/../../build/release/bench" && pwd)
reset() { stop; wipe; mkdir -p "$W"; }
start() { spawn server "$BIN/bench_limits_serve" $PORT $HTTP; }
stop() { halt server; }
info() { echo "PIDS=$(pids)"; echo PORT=$PORT; echo AET=READY; echo CAPS=store get web; echo "WEB=http://127.0.0.1:$HTTP/dicom-web"; }
"$1"
