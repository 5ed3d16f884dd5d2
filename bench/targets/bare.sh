#!/bin/bash
# SPDX-License-Identifier: MIT
# What the kit's senders allow a server of such steps: each object received, its XXH3 taken, and kept as durably as the archive does it, and nothing else (bench/limits_serve.c; `./dev bench limits` builds it).
. "$BENCH_KIT/targets/common.sh"
PORT=11216 HTTP=11266
BIN=$(cd "$HERE/../../build/release/bench" && pwd)
reset() { stop; wipe; mkdir -p "$W"; }
start() { rm -rf "$W/kept"; mkdir "$W/kept"; spawn server "$BIN/bench_limits_serve" $PORT $HTTP "$W/kept"; }
stop() { halt server; }
info() { echo "PIDS=$(pids)"; echo PORT=$PORT; echo AET=BARE; echo CAPS=store; echo "DATA=$W/kept"; }
"$1"
