"""The life of alerts around the pure fold of `engine.life`: who may act, how acts are sealed, and what is shown."""
