"""The order of the data and the randomness of a batch, as functions of the place in a training."""
