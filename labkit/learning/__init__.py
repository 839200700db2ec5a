"""Models: which to fit, how, at what cost, how good they are, and how they vote."""
