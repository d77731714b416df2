"""The rows of a report: how they lie on disk, how they are asked for, and where single ones are sent."""
