#!/bin/sh
# A notification command for Icinga and Nagios: a problem opens the issue for the host's customer, an acknowledgement
# puts it in progress, a recovery resolves it. notify_tracker.conf is the configuration for Icinga 2.
#
# Environment: NOTIFICATIONTYPE, HOSTNAME, SERVICEDESC (none for a host), STATE, OUTPUT, COMPANY, and ITCTL_URL with
# ITCTL_TOKEN_FILE. Without COMPANY (the host belongs to no customer) it does nothing.
set -eu
[ -n "${COMPANY:-}" ] || exit 0

case ${NOTIFICATIONTYPE:?} in
    PROBLEM) status=investigating ;;
    ACKNOWLEDGEMENT) status=in_progress ;;
    RECOVERY) status=resolved ;;
    *) exit 0 ;; # flapping, downtime and the like change no status
esac

issue="${SERVICEDESC:-Host down} on ${HOSTNAME:?}"
# A note has at most 2,000 characters. printf counts bytes; iconv drops a character that was cut in the middle.
note=$(printf '%.2000s' "${STATE:-}: ${OUTPUT:-}" | iconv -c -f UTF-8 -t UTF-8 2>/dev/null) || true
# The notification is not repeated (interval = 0), so retry as long as monitoring lets a command run: 30 s in Nagios.
exec itctl --patience 20 set --create "$issue" "$COMPANY" "$status" --note "$note"
