"""SCIM 2.0 (RFC 7643, RFC 7644) at `/scim/v2`: the interface with which identity providers administer accounts.

The protocol itself is implemented by scim2-server and scim2-models: parsing and serializing resources, filters, PATCH,
errors. `routes` declares the paths, `protocol` configures the supported features, and `storage` maps resources to
accounts and groups. `protocol` and `storage` are imported with the first request from a provider, because the libraries
take 32 MB of memory (docs/decisions/0031-scim.md).
"""
