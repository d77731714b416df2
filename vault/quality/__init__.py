"""What can be said of a row by looking at it: detectors shared by the profile and the curation steps. Knows no Django."""
