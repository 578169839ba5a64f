"""A plan made so: what is done, in which order, what is recorded, and the events that tell of it."""
