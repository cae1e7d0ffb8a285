"""Status feeds of suppliers: `documents` parses them, `stored` has their definitions and their health, `polling`
decides when they are polled, and `trials` tries them.
"""
