"""What happened: recorder, spool, writer, cursor; and from there search, the live log, export."""
