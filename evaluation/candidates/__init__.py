"""Who answers the held-out rows: students, base models, files, teachers and models over a network; and what they said."""
