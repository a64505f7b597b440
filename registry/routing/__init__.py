"""Who answers a request: facts, the decision, the exchange, its event. Pure but for the socket: no database here."""
