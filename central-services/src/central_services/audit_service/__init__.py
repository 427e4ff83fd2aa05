"""The audit service: what the projects of an organisation did, provably; `app` builds it."""
