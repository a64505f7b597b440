"""How the database becomes a routing table in a worker, and how that stays true."""
