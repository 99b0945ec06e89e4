"""Networks, from an actor-critic on four numbers to transformers."""
