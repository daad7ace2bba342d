"""A training run from plan to file: everything is checked before work begins, state is kept on the way."""
