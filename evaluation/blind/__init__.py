"""Blind review of a report's rows: drawn, judged by people who see no names, and what that comes to."""
