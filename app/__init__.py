"""Where engine and ingest meet: composition, the query pipeline, the REST API, the command."""
