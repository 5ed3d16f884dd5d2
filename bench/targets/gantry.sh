#!/bin/bash
# SPDX-License-Identifier: MIT
# Gantry as `sphere-admin` makes it: SQLite index, durable before it answers. A target of the benchmark kit in BENCH_KIT.
. "$BENCH_KIT/targets/common.sh"
PORT=11210 HTTP=11260
ARCHIVE=$W/archive
BIN=$(cd "$HERE/../../build/bin" && pwd)
reset() {
  stop; wipe; mkdir -p "$W"
  "$BIN/sphere-admin" -f "$ARCHIVE"
  sed -i -e "s/^port:.*/port: $PORT/" -e "s/^AET:.*/AET: GANTRY/" \
    -e '/API_SERVER_ENABLED/s/False/True/; /API_DICOMWEB_ENABLED/s/False/True/' "$ARCHIVE/app/settings.yml"
  cat >"$ARCHIVE/app/white_list/bench.yml" <<YML
BENCH:
  ip: 127.0.0.1
  port: $SINK_PORT
SINK:
  ip: 127.0.0.1
  port: $SINK_PORT
YML
}
start() { API_SERVER_LISTENING_PORT=$HTTP spawn server "$ARCHIVE/manage" runserver; }
stop() { halt server; }
info() {
  echo "PIDS=$(pids)"; echo PORT=$PORT; echo AET=GANTRY; echo CAPS=store find move get web; echo "WEB=http://127.0.0.1:$HTTP/dicom-web"
  echo DATA="$ARCHIVE/data"; echo INDEX="$ARCHIVE/index.sqlite"; echo VERSION="$("$ARCHIVE/manage" --version)"
}
"$1"
