"""How often to contact whom: the response of each tier to contact frequency, and what to decide."""
