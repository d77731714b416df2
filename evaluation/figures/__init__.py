"""From rows and answers to figures: scores, paired comparisons, slices, the cascade and the verdict."""
