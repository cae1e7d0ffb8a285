"""E-mail as a sender of alerts: a message is read (`message`), patterns find an alert in it (`patterns`), and it is
taken once (`operations`), whether it comes over LMTP, SMTP (`listener`) or HTTP, or from a mailbox.
"""
