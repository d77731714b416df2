"""Evaluations side by side and over time: boards, wins, what changed since."""
