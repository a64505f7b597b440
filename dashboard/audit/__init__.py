"""The audit in words: fields and values, rows as sentences, and acts, which are several rows."""
