"""Alerts by email: a message is parsed (`message`), patterns extract an alert from it (`patterns`), and the message is
processed exactly once (`operations`), whether it arrives over LMTP, SMTP (`listener`) or HTTP, or from a mailbox.
"""
