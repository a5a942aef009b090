"""Training: a plan, the only loop, what watches it, and where its state is kept."""
