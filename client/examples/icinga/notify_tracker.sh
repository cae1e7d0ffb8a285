#!/bin/sh
# A notification command for Icinga and Nagios: a problem opens the issue for the host's customer, an acknowledgement
# puts it in progress, a recovery resolves it. See notify_tracker.conf for how Icinga 2 is told of it.
#
# Environment: NOTIFICATIONTYPE, HOSTNAME, SERVICEDESC (none for a host), STATE, OUTPUT, COMPANY, and ITCTL_URL with
# ITCTL_TOKEN_FILE. Without COMPANY (a host that belongs to no customer) it does nothing.
set -eu
[ -n "${COMPANY:-}" ] || exit 0

case ${NOTIFICATIONTYPE:?} in
    PROBLEM) status=investigating ;;
    ACKNOWLEDGEMENT) status=in_progress ;;
    RECOVERY) status=resolved ;;
    *) exit 0 ;; # flapping, downtime and the like change no status
esac

issue="${SERVICEDESC:-Host down} on ${HOSTNAME:?}"
# Monitoring waits for its hooks, so give up after a few seconds: the next notification says the same again.
exec itctl --patience 10 set --create "$issue" "$COMPANY" "$status" --note "${STATE:-}: ${OUTPUT:-}"
