#!/bin/sh
# A notification command for Icinga and Nagios: a problem raises an alert for the host's customer, a recovery clears it,
# and an acknowledgement puts the customer's assignment in progress. Changes by technicians are not overwritten.
# notify_tracker.conf is the configuration for Icinga 2.
#
# Environment: NOTIFICATIONTYPE, HOSTNAME, SERVICEDESC (none for a host), STATE, OUTPUT, COMPANY, and ITCTL_URL with
# ITCTL_TOKEN_FILE. Without COMPANY (the host belongs to no customer) it does nothing.
set -eu
[ -n "${COMPANY:-}" ] || exit 0

key="${HOSTNAME:?}!${SERVICEDESC:-}"
issue="${SERVICEDESC:-Host down} on $HOSTNAME"
# printf counts bytes; iconv drops a character that was cut in the middle.
summary=$(printf '%.2000s' "${STATE:-}: ${OUTPUT:-}" | iconv -c -f UTF-8 -t UTF-8 2>/dev/null) || true

# The notification is not repeated (interval = 0), so retry as long as the monitoring system allows: 30 s in Nagios.
case ${NOTIFICATIONTYPE:?} in
    PROBLEM) exec itctl --patience 20 raise "$key" "$issue" "$COMPANY" --summary "$summary" ;;
    RECOVERY) exec itctl --patience 20 clear "$key" --summary "$summary" ;;
    ACKNOWLEDGEMENT) exec itctl --patience 20 set "$issue" "$COMPANY" in_progress --note "$summary" ;;
    *) exit 0 ;; # flapping, downtime and the like change nothing
esac
