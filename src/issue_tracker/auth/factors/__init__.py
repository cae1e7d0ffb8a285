"""Second factors: authenticator apps, passkeys, recovery codes (contract, section 11; docs/decisions/0026)."""
