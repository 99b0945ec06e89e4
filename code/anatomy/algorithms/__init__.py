"""Learning algorithms: each step is a function, each loop stays in the chapter."""
