"""Pages of pipelines and runs."""
