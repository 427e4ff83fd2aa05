"""The OAuth core: Authlib's grants and endpoints on the service's tables.

Authlib is synchronous. Its code runs inside `AsyncSession.run_sync`, so that it uses the request's
own session and transaction and waits for the database without blocking the event loop.
"""
