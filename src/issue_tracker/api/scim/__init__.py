"""SCIM 2.0 (RFC 7643, RFC 7644) at `/scim/v2`: how identity providers administer accounts here.

The protocol itself is that of scim2-server and scim2-models: reading and writing resources, filters, PATCH, errors.
`routes` declares the paths, `protocol` says what is supported, and `storage` is what both have to do with accounts.
The two latter are imported when the first provider sends a request, because the libraries take 32 MB
(docs/decisions/0031-scim.md).
"""
