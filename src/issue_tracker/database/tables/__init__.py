"""The whole schema. The migrations build exactly this, which tests/test_migrations.py proves.

Only the migrations contain SQLite's FTS5 table `issue_search`, PostgreSQL's pg_trgm and `next_event_id()`, and
triggers.
"""

from issue_tracker.database.tables.accounts import (
    invitations,
    sessions,
    setup_tokens,
    sign_in_addresses,
    sign_in_devices,
    sign_in_failures,
    tokens,
    users,
)
from issue_tracker.database.tables.alerts import (
    alert_feeds,
    alert_mailboxes,
    alert_receivers,
    alert_rules,
    alerts,
    received_mails,
)
from issue_tracker.database.tables.company_access import (
    token_companies,
    token_company_groups,
    user_companies,
    user_company_groups,
)
from issue_tracker.database.tables.company_groups import company_group_members, company_groups
from issue_tracker.database.tables.events import events, history_identity
from issue_tracker.database.tables.factors import factors, recovery_codes, sign_in_challenges, spent_challenges
from issue_tracker.database.tables.former import former_names, merged_companies, merged_issues
from issue_tracker.database.tables.issues import (
    assignment_counters,
    assignment_references,
    assignments,
    companies,
    issue_counters,
    issue_references,
    issue_tags,
    issues,
)
from issue_tracker.database.tables.metadata import metadata
from issue_tracker.database.tables.names import look_alikes
from issue_tracker.database.tables.presence import presence
from issue_tracker.database.tables.requests import idempotency_keys
from issue_tracker.database.tables.schema import schema_compatibility
from issue_tracker.database.tables.scim import scim_group_members, scim_groups, scim_tokens, scim_users
from issue_tracker.database.tables.server import server_key
from issue_tracker.database.tables.single_sign_on import (
    group_mapping_companies,
    group_mapping_company_groups,
    group_mappings,
    identities,
    provider_sessions,
    sign_in_flows,
)
from issue_tracker.database.tables.templates import (
    issue_template_companies,
    issue_template_groups,
    issue_templates,
)
from issue_tracker.database.tables.updates import update_companies, updates
from issue_tracker.database.tables.views import saved_views, start_views
from issue_tracker.database.tables.visits import visits
from issue_tracker.database.tables.webhooks import deliveries, delivery_attempts, webhooks

__all__ = [
    "alert_feeds",
    "alert_mailboxes",
    "alert_receivers",
    "alert_rules",
    "alerts",
    "assignment_counters",
    "assignment_references",
    "assignments",
    "companies",
    "company_group_members",
    "company_groups",
    "deliveries",
    "delivery_attempts",
    "events",
    "factors",
    "former_names",
    "group_mapping_companies",
    "group_mapping_company_groups",
    "group_mappings",
    "history_identity",
    "idempotency_keys",
    "identities",
    "invitations",
    "issue_counters",
    "issue_references",
    "issue_tags",
    "issue_template_companies",
    "issue_template_groups",
    "issue_templates",
    "issues",
    "look_alikes",
    "merged_companies",
    "merged_issues",
    "metadata",
    "presence",
    "provider_sessions",
    "received_mails",
    "recovery_codes",
    "saved_views",
    "schema_compatibility",
    "scim_group_members",
    "scim_groups",
    "scim_tokens",
    "scim_users",
    "server_key",
    "sessions",
    "setup_tokens",
    "sign_in_addresses",
    "sign_in_challenges",
    "sign_in_devices",
    "sign_in_failures",
    "sign_in_flows",
    "spent_challenges",
    "start_views",
    "token_companies",
    "token_company_groups",
    "tokens",
    "update_companies",
    "updates",
    "user_companies",
    "user_company_groups",
    "users",
    "visits",
    "webhooks",
]
