"""All reads of issues and their assignments. Only these modules select from these tables.

A function that can reveal an issue or a company takes the actor and returns what the actor may see: under limited
company access, an issue consists of its assignments to visible companies, and an issue without any does not exist.
"""
