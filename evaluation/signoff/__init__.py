"""Signing a report: the team's rules, what is signed, who said what, and what becomes of it."""
