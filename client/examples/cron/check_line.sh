#!/bin/sh
# check_line.sh ISSUE COMPANY ADDRESS: reports to the tracker whether an address answers a ping.
# The tracker counts repetitions and does not overwrite changes by technicians, so the script may run every minute.
# PING may name another command that succeeds when the line works.
set -eu
issue=$1 company=$2 address=$3

if ${PING:-ping -q -c 3 -W 2} "$address" >/dev/null 2>&1; then
    exec itctl clear "line/$address" --summary "$address answers again"
fi
exec itctl raise "line/$address" "$issue" "$company" --summary "$address does not answer"
