#!/bin/sh
# check_line.sh ISSUE COMPANY ADDRESS: keeps one status in the tracker in sync with a ping.
# Setting a status that is already set changes nothing and adds nothing to the history, so it may run every minute.
# PING may name another command that succeeds when the line works.
set -eu
issue=$1 company=$2 address=$3

if ${PING:-ping -q -c 3 -W 2} "$address" >/dev/null 2>&1; then
    # Without a fault there is nothing to resolve: only an assignment that is under investigation changes.
    exec itctl resolve "$issue" --if-exists --only "$company" --from investigating --note "$address answers again"
fi
exec itctl set --create "$issue" "$company" investigating --note "$address does not answer"
