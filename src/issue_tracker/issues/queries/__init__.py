"""All reads of issues and their assignments. Only these modules select from the tables.

A function that can reveal an issue or a company takes the actor and shows what the actor may see: with limited
company access, an issue consists of its assignments to visible companies, and an issue without any does not exist.
"""
