"""Who holds an advisory lock, by its key: in the test's own database, for others' systems share its server."""

HOLDERS = """
    SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
END_HOLDERS = f"SELECT pg_terminate_backend(pid) FROM ({HOLDERS}) AS holder"
