"""The routing log: events are spooled to disk by `Recorder.record` and moved into Postgres by a `Writer`."""
