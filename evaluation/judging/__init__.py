"""A language model as a judge of answers: what it is asked, what its verdicts come to, and how far it can be trusted."""
