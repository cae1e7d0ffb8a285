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
# A note has at most 2,000 characters; printf counts bytes, and iconv drops a character that was cut in two.
note=$(printf '%.2000s' "${STATE:-}: ${OUTPUT:-}" | iconv -c -f UTF-8 -t UTF-8 2>/dev/null) || true
# Nobody says it again (interval = 0), so try for as long as monitoring lets a hook run: Nagios for half a minute.
exec itctl --patience 20 set --create "$issue" "$COMPANY" "$status" --note "$note"
